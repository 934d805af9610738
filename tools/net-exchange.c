/* SPDX-License-Identifier: BSD-3-Clause */
/* medio net --exchange: what goes out must come back, each frame whole. */
#include "net-frame.h"
#include "net.h"
#include "text.h"

#define WINDOW 64u /* frames under way, at most */
/* Without an answer a frame is sent again after 1, 2 and 4 seconds, and lost after 8 more; earlier if there never
 * was an answer. */
#define TRIES	    4u
#define FIRST_TRIES 3u

/* A frame under way. */
struct flight {
	bool open;
	unsigned tries;
	double late; /* when it is to be sent again */
};

struct exchange {
	struct medio_net *net;
	size_t size;
	unsigned window;
	uint64_t total;		       /* frames */
	uint64_t next, base;	       /* to be sent; the oldest under way */
	struct flight flights[WINDOW]; /* frame n is flights[n % WINDOW] */
	uint64_t back, again, lost, damaged;
	unsigned unanswered; /* lost in a row */
	double looked;
};

static int put(struct exchange *x, uint64_t sequence)
{
	const struct medio_net_test test = { .run = x->net->run, .sequence = sequence };
	struct flight *flight = &x->flights[sequence % WINDOW];

	medio_net_test_make(x->net->frame, x->size, x->net->to, x->net->mac, &test);
	flight->open = true;
	flight->late = medio_ending_now() + (double)(1u << flight->tries);
	flight->tries++;
	return medio_net_put(x->net, x->net->frame, x->size);
}

/* As many as may be under way. */
static int fill(struct exchange *x)
{
	int ret = 0;

	while (!ret && x->next < x->total && x->next < x->base + x->window && !x->net->stopped) {
		x->flights[x->next % WINDOW].tries = 0;
		ret = put(x, x->next);
		x->next++;
	}
	return ret;
}

static void close_flight(struct exchange *x, uint64_t sequence)
{
	x->flights[sequence % WINDOW].open = false;
	while (x->base < x->next && !x->flights[x->base % WINDOW].open)
		x->base++;
}

static void judge(struct exchange *x, size_t len)
{
	struct medio_net_test test;
	enum medio_net_test_kind kind = medio_net_test_check(x->net->frame, len, &test);

	if (kind == MEDIO_NET_TEST_NONE || !test.answer || test.run != x->net->run)
		return;
	if (kind == MEDIO_NET_TEST_DAMAGED) {
		x->damaged++;
		return;
	}
	x->unanswered = 0;
	/* What was sent again may come back twice. */
	if (test.sequence < x->base || test.sequence >= x->next ||
		!x->flights[test.sequence % WINDOW].open)
		return;
	x->back++;
	close_flight(x, test.sequence);
}

/* Take all that has come; waits for the first. */
static int collect(struct exchange *x)
{
	int len = medio_net_get(x->net, true);

	for (unsigned i = 0; len > 0 && i < x->window; i++) {
		judge(x, (size_t)len);
		len = medio_net_get(x->net, false);
	}
	if (len > 0)
		judge(x, (size_t)len);
	return len < 0 ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
}

/* Send again what has had no answer, or call it lost. */
static int hurry(struct exchange *x)
{
	double now = medio_ending_now();
	uint64_t end = x->next;
	int ret = 0;

	if (now - x->looked < 0.1)
		return 0;
	x->looked = now;
	for (uint64_t n = x->base; !ret && n < end; n++) {
		struct flight *flight = &x->flights[n % WINDOW];
		if (!flight->open || now < flight->late)
			continue;
		if (flight->tries < (x->back ? TRIES : FIRST_TRIES)) {
			x->again++;
			ret = put(x, n);
			continue;
		}
		x->lost++;
		x->unanswered++;
		close_flight(x, n);
	}
	return ret;
}

static void print_json(const struct exchange *x, double seconds, uint64_t interrupts)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "frames", json_object_new_uint64(x->back));
	json_object_object_add(object, "frame_size", json_object_new_uint64(x->size));
	json_object_object_add(object, "bytes", json_object_new_uint64(x->back * x->size));
	json_object_object_add(object, "lost", json_object_new_uint64(x->lost));
	json_object_object_add(object, "damaged", json_object_new_uint64(x->damaged));
	json_object_object_add(object, "sent_again", json_object_new_uint64(x->again));
	json_object_object_add(object, "seconds", json_object_new_double(seconds));
	json_object_object_add(object, "interrupts", json_object_new_uint64(interrupts));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void print(const struct exchange *x)
{
	double seconds = medio_ending_now() - x->net->start;
	unsigned long long bytes = x->back * x->size;
	uint64_t interrupts = medio_net_interrupts(x->net);
	char rate[16];

	medio_net_progress(x->net, x->back, x->total, true);
	if (x->net->json) {
		print_json(x, seconds, interrupts);
		return;
	}
	medio_text_count((double)x->back / (seconds + 1e-9), rate, sizeof(rate));
	printf("%llu frames of %zu bytes went and came back, %llu bytes: %llu lost, %llu damaged, %llu "
	       "sent again\n",
		(unsigned long long)x->back, x->size, bytes, (unsigned long long)x->lost,
		(unsigned long long)x->damaged, (unsigned long long)x->again);
	printf("%.2f s, %s frames/s, %.1f MB/s each way, %llu interrupts\n", seconds, rate,
		(double)bytes / (seconds + 1e-9) / 1e6, (unsigned long long)interrupts);
}

int medio_net_exchange(struct medio_net *net, uint64_t bytes, uint64_t size)
{
	unsigned depth = net->info.receive_depth;
	struct exchange x = { .net = net,
		.size = (size_t)size,
		.window = depth && depth < WINDOW ? depth : WINDOW,
		.total = bytes / size + !!(bytes % size) };
	int ret = 0;

	while (!ret && x.base < x.total && x.unanswered < x.window) {
		/* When the time is over nothing new is sent; what is under way is waited for. */
		if (medio_net_over(net))
			x.total = x.next;
		if (net->stopped)
			break;
		ret = fill(&x);
		if (!ret)
			ret = collect(&x);
		if (!ret)
			ret = hurry(&x);
		medio_net_progress(net, x.back, x.total, false);
	}
	if (ret)
		return ret;
	print(&x);
	if (x.unanswered >= x.window || (x.lost && !x.back))
		return medio_command_fail(net->cmd,
			"%s: nobody answers: at the other end 'medio net --echo' has to run",
			net->device);
	return net->stopped || x.lost || x.damaged ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
}
