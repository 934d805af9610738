/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Your own program as a card: serves the counter at a socket until it is told to end.
 *     counter-server /tmp/counter.sock
 */
#include <signal.h>
#include <stdio.h>

#include <medio/serve.h>

extern const struct medio_type counter_type; /* counter.c */

static struct medio_loop *loop;

static void on_signal(int number)
{
	medio_loop_stop(loop); /* may be called from a signal handler */
}

static int fail(struct medio_error *err)
{
	fprintf(stderr, "counter-server: %s\n", medio_error_text(err));
	medio_error_free(err);
	return 1;
}

static int serve(const char *path)
{
	struct medio_instance *inst;
	struct medio_server *server;
	struct medio_error *err = NULL;

	if (medio_instance_new(loop, &counter_type, NULL, &inst, &err))
		return fail(err);
	if (medio_server_new(inst, path, NULL, &server, &err)) {
		medio_instance_free(inst);
		return fail(err);
	}
	int ret = medio_loop_run(loop);
	medio_server_free(server); /* what was made on a thing goes before it */
	medio_instance_free(inst);
	return ret ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: counter-server SOCKET\n");
		return 2;
	}
	if (medio_loop_new(&loop))
		return 1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	int ret = serve(argv[1]);
	medio_loop_free(loop);
	return ret;
}
