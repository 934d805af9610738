/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of the control socket, over a manager without workers. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "manage/control.h"
#include "test_manage_fake.h"

#define USER   1000
#define MEMBER 7777

struct bed {
	struct medio_control *control;
	struct medio_parent *parent;
	char folder[64];
	unsigned reloads, quits;
	int reload_ret;
};

static struct bed bed;

static int on_reload(void *opaque, struct medio_error **err)
{
	(void)opaque;
	bed.reloads++;
	return bed.reload_ret ? medio_error_set(err, -bed.reload_ret, "no such key") : 0;
}

static void on_quit(void *opaque)
{
	(void)opaque;
	bed.quits++;
}

static int setup(void **state)
{
	const struct medio_control_options opts = {
		.fd = -1, .reload = on_reload, .quit = on_quit
	};
	struct medio_manager *m;

	bed = (struct bed){ 0 };
	fake_setup(state);
	m = &fake->manager;
	assert_int_equal(medio_loop_new(&m->loop), 0);
	strcpy(bed.folder, "/tmp/medio-control-XXXXXX");
	assert_non_null(mkdtemp(bed.folder));
	m->places.runtime = bed.folder;
	assert_true(asprintf(&m->places.definitions, "%s/definitions", bed.folder) > 0);
	m->policy = (struct medio_policy){ .uid = 0, .group = MEMBER };
	bed.parent = fake_parent();
	assert_int_equal(medio_control_new(m, &opts, &bed.control, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	struct medio_loop *loop = fake->manager.loop;
	char *definitions = fake->manager.places.definitions, path[160];

	medio_control_free(bed.control);
	fake_teardown(state);
	medio_loop_free(loop);
	snprintf(path, sizeof(path), "%s/mtty/%s", definitions, FAKE_UUID);
	unlink(path);
	snprintf(path, sizeof(path), "%s/mtty", definitions);
	rmdir(path);
	rmdir(definitions);
	free(definitions);
	/* The socket has gone, and nothing else is left. */
	assert_int_equal(rmdir(bed.folder), 0);
	return 0;
}

static void step(void)
{
	while (medio_loop_run_once(fake->manager.loop, 0) > 0)
		;
}

/* Our end of a connection of somebody. */
static int come(uid_t uid, gid_t gid)
{
	const struct medio_who who = { .uid = uid, .gid = gid };
	int socks[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, socks), 0);
	medio_control_take(bed.control, socks[0], &who);
	return socks[1];
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	step();
}

/* All that has come, up to a limit. */
static const char *hear(int fd)
{
	static char text[65536];
	size_t used = 0;
	ssize_t n;

	while ((n = recv(fd, text + used, sizeof(text) - 1 - used, MSG_DONTWAIT)) > 0)
		used += (size_t)n;
	text[used] = 0;
	return text;
}

static bool is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

#define assert_hears(fd, words) \
	do { \
		const char *heard_ = hear(fd); \
		if (!strstr(heard_, words)) \
			fail_msg("'%s' is not in '%s'", words, heard_); \
	} while (0)

/* ---- Requests ---------------------------------------------------------------------------------- */

static void an_instance_is_started_listed_and_stopped(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID
		"\",\"params\":[\"port0=pty\"],\"filters\":[\"trace\"],\"restart\":\"never\"}\n");
	const char *answer = hear(fd);
	assert_non_null(strstr(answer, "\"ok\":true"));
	assert_non_null(strstr(answer, "\"uuid\":\"" FAKE_UUID "\""));
	assert_non_null(strstr(answer, "\"params\":[\"port0=pty\"],\"filters\":[\"trace\"]"));
	assert_non_null(strstr(answer, "\"restart\":\"never\""));
	assert_log("create:0:0");
	say(fd, "{\"op\":\"list\"}\n");
	assert_hears(fd, "\"type\":\"mtty-2\"");
	say(fd, "{\"op\":\"stop\",\"uuid\":\"" FAKE_UUID "\",\"now\":true}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{\"uuid\":\"" FAKE_UUID "\"}}\n");
	assert_log("remove:now");
	say(fd, "{\"op\":\"list\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":[]}\n");
	close(fd);
}

static void what_the_bus_says_reaches_the_client_with_its_errno(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID "\"}\n");
	hear(fd);
	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(fd, "{\"ok\":false,\"errno\":\"EEXIST\"");
	close(fd);
}

static void what_is_not_understood_is_told_with_what_is_allowed(void **state)
{
	static const char *const lines[][2] = {
		{ "{\"op\":\"lisst\"}\n", "did you mean 'list'?" },
		{ "{\"op\":7}\n", "'op' is to name an operation" },
		{ "{}\n", "'op' is to name an operation" },
		{ "[]\n", "one JSON object" },
		{ "\n", "one JSON object: unexpected end" },
		{ "{\"op\":\"list\"\n", "one JSON object" },
		{ "{\"op\":\"list\"} {}\n", "one JSON object" },
		{ "{\"op\":\"list\",\"uuid\":1}\n", "'uuid' is to be a string" },
		{ "{\"op\":\"list\",\"uuid\":\"a\\u0000b\"}\n", "'uuid' is to be a string" },
		{ "{\"op\":\"list\",\"uuidd\":\"1\"}\n", "did you mean 'uuid'?" },
		{ "{\"op\":\"list\",\"uuid\":\"1\"}\n", "'1' is no UUID" },
		{ "{\"op\":\"list\",\"uuid\":\"" FAKE_UUID "\"}\n", "no instance " FAKE_UUID },
		{ "{\"op\":\"get\",\"uuid\":\"" FAKE_UUID "\",\"attr\":\"a\"}\n",
			"no instance " FAKE_UUID },
		{ "{\"op\":\"set\",\"uuid\":\"" FAKE_UUID "\",\"attr\":\"a\",\"value\":\"b\"}\n",
			"no instance " FAKE_UUID },
		{ "{\"op\":\"stats\",\"uuid\":\"x\"}\n", "'x' is no UUID" },
		{ "{\"op\":\"stop\",\"uuid\":\"" FAKE_UUID "\"}\n", "no instance " FAKE_UUID },
		{ "{\"op\":\"stop\"}\n", "'stop' needs 'uuid'" },
		{ "{\"op\":\"stop\",\"uuid\":\"" FAKE_UUID "\",\"now\":1}\n", "true or false" },
		{ "{\"op\":\"start\"}\n", "say 'type'" },
		{ "{\"op\":\"start\",\"type\":\"mtty-3\"}\n", "mtty-1" },
		{ "{\"op\":\"start\",\"type\":\"mtty-1\",\"parent\":\"mty\"}\n",
			"did you mean 'mtty'?" },
		{ "{\"op\":\"start\",\"type\":\"mtty-3\",\"parent\":\"mtty\"}\n",
			"unknown type of parent 'mtty' 'mtty-3'" },
		{ "{\"op\":\"start\",\"type\":\"mtty-1\",\"params\":\"a=b\"}\n",
			"'params' is to be a list of strings" },
		{ "{\"op\":\"start\",\"type\":\"mtty-1\",\"restart\":\"rest\"}\n",
			"never, reset, restore" },
		{ "{\"op\":\"start\",\"uuid\":\"" FAKE_UUID "\",\"params\":[]}\n",
			"a definition says" },
		{ "{\"op\":\"modify\",\"uuid\":\"" FAKE_UUID "\",\"index\":-1}\n",
			"a number from 0" },
		{ "{\"op\":\"modify\",\"uuid\":\"" FAKE_UUID
		  "\",\"add\":[{\"a\":\"1\",\"b\":\"2\"}]}\n",
			"a list of objects of one string each" },
		{ "{\"op\":\"types\",\"parent\":\"mty\"}\n", "did you mean 'mtty'?" },
	};
	int fd = come(0, 0);
	(void)state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		say(fd, lines[i][0]);
		const char *answer = hear(fd);
		if (!strstr(answer, "{\"ok\":false,\"errno\":\"E") ||
			!strstr(answer, lines[i][1]) || !strstr(answer, "\"}\n"))
			fail_msg("%s gave %s", lines[i][0], answer);
	}
	assert_null(medio_bus_next_mdev(fake->manager.bus, NULL));
	close(fd);
}

static void an_id_comes_back_also_with_a_failure(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"id\":{\"a\":[1]},\"op\":\"list\"}\n{\"id\":\"x\",\"op\":\"nonsense-x\"}\n");
	const char *answer = hear(fd);
	assert_non_null(strstr(answer, "{\"ok\":true,\"id\":{\"a\":[1]},\"result\":[]}\n"));
	assert_non_null(strstr(answer, "{\"ok\":false,\"id\":\"x\",\"errno\":\"EINVAL\""));
	close(fd);
}

static void a_line_too_long_is_refused_and_the_next_one_is_done(void **state)
{
	int fd = come(0, 0);
	char text[8000];
	(void)state;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (int i = 0; i < 10; i++)
		say(fd, text);
	say(fd, "\n{\"op\":\"list\"}\n");
	const char *answer = hear(fd);
	assert_non_null(strstr(answer, "\"errno\":\"EMSGSIZE\""));
	assert_non_null(strstr(answer, "}\n{\"ok\":true,\"result\":[]}\n"));
	close(fd);
}

static void requests_are_answered_in_order_also_when_one_takes_time(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID "\"}\n");
	hear(fd);
	fake->store_ret = MEDIO_DEFERRED;
	say(fd, "{\"op\":\"set\",\"uuid\":\"" FAKE_UUID
		"\",\"attr\":\"params/port0\",\"value\":\"a\",\"id\":1}\n"
		"{\"op\":\"list\",\"id\":2}\n");
	assert_string_equal(hear(fd), "");
	say(fd, "{\"op\":\"hello\",\"id\":3}\n");
	assert_string_equal(hear(fd), "");
	fake_answer(0);
	step();
	const char *answer = hear(fd), *second = strstr(answer, "\"id\":2");
	assert_int_equal(strncmp(answer, "{\"ok\":true,\"id\":1,\"result\":{}}\n", 31), 0);
	assert_non_null(second);
	assert_non_null(strstr(second, "\"id\":3"));
	close(fd);
}

static void somebody_who_waits_keeps_nobody_else_waiting(void **state)
{
	int fd = come(0, 0), other = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID "\"}\n");
	hear(fd);
	fake->store_ret = MEDIO_DEFERRED;
	say(fd, "{\"op\":\"set\",\"uuid\":\"" FAKE_UUID
		"\",\"attr\":\"params/port0\",\"value\":\"a\"}\n");
	say(other, "{\"op\":\"hello\"}\n");
	assert_hears(other, "\"ok\":true");
	fake_answer(-EBUSY);
	assert_hears(fd, "\"errno\":\"EBUSY\"");
	close(fd);
	close(other);
}

static void what_was_asked_for_goes_on_when_its_client_has_left(void **state)
{
	int fd = come(0, 0), other = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID "\"}\n");
	fake->store_ret = MEDIO_DEFERRED;
	say(fd, "{\"op\":\"set\",\"uuid\":\"" FAKE_UUID
		"\",\"attr\":\"params/port0\",\"value\":\"a\"}\n"
		"{\"op\":\"set\",\"uuid\":\"" FAKE_UUID
		"\",\"attr\":\"params/port0\",\"value\":\"b\"}\n");
	close(fd);
	step();
	fake->log[0] = 0;
	fake_answer(0);
	step();
	/* Also the one that had not begun. */
	assert_log("param:port0=b");
	fake_answer(0);
	step();
	say(other, "{\"op\":\"get\",\"uuid\":\"" FAKE_UUID "\",\"attr\":\"params/port0\"}\n");
	assert_hears(other, "\"value\":\"b\"");
	close(other);
}

static void answers_come_after_the_input_has_ended(void **state)
{
	int fd = come(0, 0);
	(void)state;

	send(fd, "{\"op\":\"list\"}\n{\"op\":\"list\"}\n", 28, 0);
	shutdown(fd, SHUT_WR);
	step();
	assert_string_equal(hear(fd), "{\"ok\":true,\"result\":[]}\n{\"ok\":true,\"result\":[]}\n");
	assert_true(is_closed(fd));
	close(fd);
}

static void the_control_can_go_while_something_is_being_done(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID "\"}\n");
	hear(fd);
	fake->store_ret = MEDIO_DEFERRED;
	say(fd, "{\"op\":\"set\",\"uuid\":\"" FAKE_UUID
		"\",\"attr\":\"params/port0\",\"value\":\"a\"}\n");
	medio_control_free(bed.control);
	bed.control = NULL;
	assert_true(is_closed(fd));
	fake_answer(0);
	close(fd);
}

static void all_attributes_are_read_one_after_the_other(void **state)
{
	int fd = come(USER, USER);
	(void)state;

	fake->creating = NULL;
	assert_int_equal(
		medio_mdev_create(bed.parent, &fake_two, FAKE_UUID, 36, NULL, NULL, NULL), 0);
	say(fd, "{\"op\":\"get\",\"uuid\":\"" FAKE_UUID "\"}\n");
	const char *answer = hear(fd);
	assert_non_null(strstr(
		answer, "{\"attr\":\"medio/restart\",\"value\":\"reset\",\"writable\":true}"));
	assert_non_null(
		strstr(answer, "{\"attr\":\"alpha\",\"value\":\"hello\",\"writable\":false}"));
	say(fd, "{\"op\":\"get\",\"uuid\":\"" FAKE_UUID "\",\"attr\":\"nothing\"}\n");
	assert_hears(
		fd, "\"errno\":\"ENOENT\",\"error\":\"the instance has no attribute 'nothing'");
	close(fd);
}

/* ---- Who may ----------------------------------------------------------------------------------- */

static void who_may_not_administer_is_refused_and_logged(void **state)
{
	static const char *const ops[] = { "reload", "leave", "quit" };
	int fd = come(USER, MEMBER);
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		char line[64];
		snprintf(line, sizeof(line), "{\"op\":\"%s\"}\n", ops[i]);
		say(fd, line);
		assert_hears(fd, "\"errno\":\"EACCES\"");
		snprintf(line, sizeof(line), "uid 1000 (pid 0) may not '%s'", ops[i]);
		assert_logged(line);
	}
	assert_int_equal(bed.reloads + bed.quits, 0);
	close(fd);
}

static void root_reloads_and_ends_the_daemon(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"reload\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	bed.reload_ret = -EINVAL;
	say(fd, "{\"op\":\"reload\"}\n");
	assert_hears(fd, "\"errno\":\"EINVAL\",\"error\":\"no such key\"");
	assert_int_equal(bed.reloads, 2);
	say(fd, "{\"op\":\"leave\"}\n");
	assert_hears(fd, "EOPNOTSUPP");
	say(fd, "{\"op\":\"quit\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	assert_int_equal(bed.quits, 1);
	close(fd);
}

static void one_user_cannot_take_all_connections(void **state)
{
	int fds[40], root;
	unsigned served = 0;
	(void)state;

	for (int i = 0; i < 40; i++) {
		fds[i] = come(USER, USER);
		served += !strstr(hear(fds[i]), "EUSERS");
	}
	assert_int_equal(served, 16);
	root = come(0, 0);
	say(root, "{\"op\":\"hello\"}\n");
	assert_hears(root, "\"ok\":true");
	close(root);
	/* Places come free. */
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	step();
	fds[0] = come(USER, USER);
	say(fds[0], "{\"op\":\"list\"}\n");
	assert_hears(fds[0], "\"ok\":true");
	close(fds[0]);
}

/* ---- Events ------------------------------------------------------------------------------------ */

static void a_subscriber_hears_what_happens_in_order(void **state)
{
	int fd = come(USER, USER);
	(void)state;

	say(fd, "{\"op\":\"monitor\"}\n");
	assert_string_equal(hear(fd), "{\"ok\":true,\"result\":{}}\n");
	struct medio_mdev *mdev;
	assert_int_equal(
		medio_mdev_create(bed.parent, &fake_one, FAKE_UUID, 36, NULL, &mdev, NULL), 0);
	medio_mdev_changed(mdev, "MEDIO_WORKER=died:9");
	const char *heard = hear(fd), *bind = strstr(heard, "{\"event\":{\"action\":\"bind\"");
	assert_int_equal(strncmp(heard, "{\"event\":{\"action\":\"add\"", 24), 0);
	assert_non_null(bind);
	assert_non_null(strstr(bind, "\"env\":{\"MEDIO_WORKER\":\"died:9\"}"));
	assert_non_null(strstr(heard, "\"path\":\"/devices/virtual/mtty/mtty/" FAKE_UUID "\""));
	/* Requests still are answered. */
	say(fd, "{\"op\":\"list\"}\n");
	assert_hears(fd, "\"ok\":true");
	close(fd);
}

static void events_that_nobody_reads_are_counted_and_told(void **state)
{
	int fd = come(USER, USER);
	unsigned long long told = 0, lost = 0, heard = 0;
	struct medio_mdev *mdev;
	(void)state;

	say(fd, "{\"op\":\"monitor\"}\n");
	hear(fd);
	assert_int_equal(
		medio_mdev_create(bed.parent, &fake_one, FAKE_UUID, 36, NULL, &mdev, NULL), 0);
	for (int i = 0; i < 10000; i++)
		medio_mdev_changed(mdev, "N=1");
	for (;;) {
		const char *text = hear(fd);
		if (!*text)
			break;
		for (const char *at = text; (at = strchr(at, '\n')); at++)
			heard++;
		/* A read may end within the line; this one does not begin anywhere else. */
		const char *at = strstr(text, "{\"lost\":");
		if (at && sscanf(at, "{\"lost\":%llu}", &lost) == 1)
			told++;
		step();
	}
	assert_int_equal(told, 1);
	assert_true(lost > 0);
	/* add, bind, and all changes; one line is the one that tells. */
	assert_int_equal(heard - 1 + lost, 10002);
	medio_mdev_changed(mdev, "N=2");
	assert_hears(fd, "\"N\":\"2\"");
	close(fd);
}

static void a_subscriber_who_leaves_is_forgotten(void **state)
{
	int fd = come(USER, USER);
	struct medio_mdev *mdev;
	(void)state;

	say(fd, "{\"op\":\"monitor\"}\n");
	close(fd);
	assert_int_equal(
		medio_mdev_create(bed.parent, &fake_one, FAKE_UUID, 36, NULL, &mdev, NULL), 0);
	step();
	medio_mdev_changed(mdev, "N=1");
	step();
}

/* A client that says so many lines of nonsense and then starts an instance, and is gone at once. */
static bool starts_behind(unsigned lines)
{
	static const char start[] = "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID
				    "\"}\n";
	int fd = come(0, 0);

	while (lines--)
		assert_int_equal(send(fd, "?\n", 2, MSG_NOSIGNAL), 2);
	assert_int_equal(send(fd, start, sizeof(start) - 1, MSG_NOSIGNAL), sizeof(start) - 1);
	close(fd);
	for (unsigned i = 0; i < 20; i++)
		step();
	return medio_bus_find_mdev(medio_parent_bus(bed.parent), FAKE_UUID, 36) != NULL;
}

static void of_what_a_client_left_behind_a_little_is_done(void **state)
{
	(void)state;
	assert_false(starts_behind(64));
	assert_true(starts_behind(63));
}

/* ---- The socket -------------------------------------------------------------------------------- */

static int connect_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", bed.folder);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void everybody_may_connect_and_is_who_he_is(void **state)
{
	char path[100];
	struct stat st;
	int fd = connect_socket();
	(void)state;

	snprintf(path, sizeof(path), "%s/control", bed.folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	step();
	say(fd, "{\"op\":\"hello\"}\n");
	assert_hears(fd, "\"runtime\":\"/tmp/medio-control-");
	close(fd);
}

static void a_socket_that_does_not_listen_is_refused(void **state)
{
	struct medio_control_options opts = { 0 };
	struct medio_control *second = NULL;
	struct medio_error *err = NULL;
	(void)state;

	opts.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(medio_control_new(&fake->manager, &opts, &second, &err), -EINVAL);
	assert_words(err, "does not listen");
	opts.fd = open("/dev/null", O_RDONLY);
	assert_int_equal(medio_control_new(&fake->manager, &opts, &second, &err), -ENOTSOCK);
	assert_words(err, "control socket");
	assert_null(second);
}

static void a_second_daemon_is_told_and_a_dead_ones_socket_replaced(void **state)
{
	const struct medio_control_options opts = { .fd = -1 };
	struct medio_control *second = NULL;
	struct medio_error *err = NULL;
	(void)state;

	assert_int_equal(medio_control_new(&fake->manager, &opts, &second, &err), -EADDRINUSE);
	assert_words(err, "mediod --replace");
	/* The first one still has its socket. */
	int fd = connect_socket();
	close(fd);
	medio_control_free(bed.control);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", bed.folder);
	int stale = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(stale, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(stale);
	assert_int_equal(medio_control_new(&fake->manager, &opts, &bed.control, &err), 0);
	close(connect_socket());
}

/* ---- Definitions ------------------------------------------------------------------------------- */

static void what_is_defined_is_listed_changed_started_and_undefined(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"define\",\"uuid\":\"C2E088BA-954F-11EC-A584-525400666F2B\",\"type\":"
		"\"mtty-2\",\"auto\":true,\"attrs\":[{\"params/port0\":\"pty\"},{\"medio/mode\":"
		"\"0660\"}]}\n");
	assert_hears(fd,
		"{\"ok\":true,\"result\":{\"uuid\":\"" FAKE_UUID
		"\",\"parent\":\"mtty\",\"type\":\"mtty-2\",\"auto\":true,\"attrs\":[{"
		"\"params/port0\":\"pty\"},{\"medio/mode\":\"0660\"}],\"active\":false}}\n");
	say(fd, "{\"op\":\"modify\",\"uuid\":\"" FAKE_UUID
		"\",\"auto\":false,\"remove\":[\"medio/mode\"],\"index\":0,\"add\":[{\"params/"
		"flag\":\"on\"}]}\n");
	assert_hears(fd, "\"auto\":false,\"attrs\":[{\"params/flag\":\"on\"},{\"params/port0\":"
			 "\"pty\"}]");
	say(fd, "{\"op\":\"start\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(fd, "\"type\":\"mtty-2\"");
	say(fd, "{\"op\":\"definitions\"}\n");
	assert_hears(fd, "\"active\":true}],\"unreadable\":[]}}");
	say(fd, "{\"op\":\"undefine\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(fd, "\"ok\":true");
	say(fd, "{\"op\":\"undefine\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(fd, "ENOENT");
	close(fd);
}

static void what_runs_can_be_defined_without_saying_more(void **state)
{
	int fd = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"start\",\"type\":\"mtty-2\",\"uuid\":\"" FAKE_UUID
		"\",\"params\":[\"mode=echo\"]}\n{\"op\":\"define\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(fd, "\"attrs\":[{\"params/mode\":\"echo\"},{\"medio/restart\":\"reset\"}],"
			 "\"active\":true");
	close(fd);
}

static void what_could_not_be_started_is_not_defined(void **state)
{
	static const char *const attrs[][2] = {
		{ "params/portt", "did you mean 'port0'?" },
		{ "params/mode", "one of echo|pty" },
		{ "medio/restart", "never, reset, restore" },
		{ "medio/pid", "attribute that can be written" },
		{ "vendor/simple", "did you mean 'vendor/sample'?" },
	};
	int fd = come(0, 0);
	(void)state;

	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
		char line[300];
		snprintf(line, sizeof(line),
			"{\"op\":\"define\",\"uuid\":\"" FAKE_UUID
			"\",\"type\":\"mtty-2\",\"attrs\":[{\"%s\":\"bad\"}]}\n",
			attrs[i][0]);
		say(fd, line);
		assert_hears(fd, attrs[i][1]);
	}
	say(fd, "{\"op\":\"undefine\",\"uuid\":\"" FAKE_UUID "\",\"parent\":\"../x\"}\n");
	assert_hears(fd, "no parent '../x'");
	say(fd, "{\"op\":\"definitions\"}\n");
	assert_hears(fd, "{\"definitions\":[],");
	close(fd);
}

static void what_a_member_of_the_group_defines_is_his(void **state)
{
	int fd = come(USER, MEMBER), other = come(USER + 1, MEMBER), root = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"define\",\"uuid\":\"" FAKE_UUID
		"\",\"type\":\"mtty-2\",\"attrs\":[{\"medio/owner\":\"0:0\"},{\"params/mode\":"
		"\"echo\"}]}\n");
	assert_hears(fd, "\"attrs\":[{\"medio/owner\":\"1000:7777\"},{\"params/mode\":\"echo\"}]");
	/* Nor can he give it away later. */
	say(fd, "{\"op\":\"modify\",\"uuid\":\"" FAKE_UUID
		"\",\"add\":[{\"medio/owner\":\"0:0\"}]}\n");
	assert_hears(fd, "\"attrs\":[{\"medio/owner\":\"1000:7777\"},{\"params/mode\":\"echo\"}]");
	say(other, "{\"op\":\"modify\",\"uuid\":\"" FAKE_UUID "\",\"auto\":true}\n");
	assert_hears(other, "\"errno\":\"EACCES\"");
	assert_logged("uid 1001 (pid 0) may not modify");
	say(other, "{\"op\":\"undefine\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(other, "\"errno\":\"EACCES\"");
	assert_logged("uid 1001 (pid 0) may not undefine");
	/* Who starts it does not matter. */
	say(root, "{\"op\":\"start\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(root, "\"owner\":{\"uid\":1000,\"gid\":7777}");
	say(fd, "{\"op\":\"undefine\",\"uuid\":\"" FAKE_UUID "\"}\n");
	assert_hears(fd, "\"ok\":true");
	close(fd);
	close(other);
	close(root);
}

static void a_stranger_defines_nothing_and_changes_nothing_of_roots(void **state)
{
	int fd = come(USER, USER), member = come(USER, MEMBER), root = come(0, 0);
	(void)state;

	say(fd, "{\"op\":\"define\",\"type\":\"mtty-2\"}\n");
	assert_hears(fd, "\"errno\":\"EACCES\"");
	assert_logged("uid 1000 (pid 0) may not 'define'");
	say(root, "{\"op\":\"define\",\"uuid\":\"" FAKE_UUID "\",\"type\":\"mtty-2\"}\n");
	assert_hears(root, "\"attrs\":[]");
	say(member, "{\"op\":\"modify\",\"uuid\":\"" FAKE_UUID
		    "\",\"attrs\":[{\"medio/owner\":\"1000:7777\"}]}\n");
	assert_hears(member, "\"errno\":\"EACCES\"");
	close(fd);
	close(member);
	close(root);
}

#define BED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED(an_instance_is_started_listed_and_stopped),
		BED(what_the_bus_says_reaches_the_client_with_its_errno),
		BED(what_is_not_understood_is_told_with_what_is_allowed),
		BED(an_id_comes_back_also_with_a_failure),
		BED(a_line_too_long_is_refused_and_the_next_one_is_done),
		BED(requests_are_answered_in_order_also_when_one_takes_time),
		BED(somebody_who_waits_keeps_nobody_else_waiting),
		BED(what_was_asked_for_goes_on_when_its_client_has_left),
		BED(answers_come_after_the_input_has_ended),
		BED(the_control_can_go_while_something_is_being_done),
		BED(all_attributes_are_read_one_after_the_other),
		BED(who_may_not_administer_is_refused_and_logged),
		BED(root_reloads_and_ends_the_daemon),
		BED(one_user_cannot_take_all_connections),
		BED(a_subscriber_hears_what_happens_in_order),
		BED(events_that_nobody_reads_are_counted_and_told),
		BED(a_subscriber_who_leaves_is_forgotten),
		BED(of_what_a_client_left_behind_a_little_is_done),
		BED(everybody_may_connect_and_is_who_he_is),
		BED(a_socket_that_does_not_listen_is_refused),
		BED(a_second_daemon_is_told_and_a_dead_ones_socket_replaced),
		BED(what_is_defined_is_listed_changed_started_and_undefined),
		BED(what_runs_can_be_defined_without_saying_more),
		BED(what_could_not_be_started_is_not_defined),
		BED(what_a_member_of_the_group_defines_is_his),
		BED(a_stranger_defines_nothing_and_changes_nothing_of_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
