/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of the metrics, read back by a checker that knows OpenMetrics' grammar; and which text a
 * request's headers ask for. Instances are stand-ins: the manager's own are tested with processes. */
#include "test_mdev_fake.h"

#include <ctype.h>
#include <unistd.h>

#include "manage/managed.h"
#include "manage/metrics-accept.h"
#include "manage/metrics-text.h"

#define STAND_INS 4

static struct stand_in {
	struct medio_managed inst;
	struct medio_stats stats;
	pid_t pid;
	unsigned sharing;
} stand_ins[STAND_INS];

struct medio_managed *medio_managed_of(const struct medio_mdev *mdev)
{
	for (unsigned i = 0; i < STAND_INS; i++)
		if (stand_ins[i].inst.mdev == mdev)
			return &stand_ins[i].inst;
	return NULL;
}

pid_t medio_managed_pid(const struct medio_managed *inst, unsigned *sharing)
{
	const struct stand_in *one = medio_container_of(inst, struct stand_in, inst);

	if (sharing)
		*sharing = one->sharing;
	return one->pid;
}

/* pid 0: nothing runs it. */
static struct stand_in *stand_in(unsigned n, struct medio_mdev *mdev, pid_t pid, unsigned sharing)
{
	struct stand_in *one = &stand_ins[n];

	*one = (struct stand_in){ .pid = pid, .sharing = sharing };
	one->inst.mdev = mdev;
	one->inst.stats = pid ? &one->stats : NULL;
	return one;
}

static int teardown(void **state)
{
	memset(stand_ins, 0, sizeof(stand_ins));
	return fake_teardown(state);
}

static char *print(struct fake *fake, bool classic)
{
	struct medio_manager m = { .bus = fake->bus };
	size_t size = 0;
	char *text = medio_metrics_print(&m, classic, &size);

	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	return text;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* ---- The checker ------------------------------------------------------------------------------- */

#define MAX_LINES 256

struct checker {
	bool classic;
	char family[80], kind[16];
	char lines[MAX_LINES][320];
	unsigned num_lines;
	bool sampled; /* the family has a sample: no more of its head may come */
	bool ended;
};

static size_t name_length(const char *at)
{
	size_t len = 0;

	if (!isalpha((unsigned char)*at) && *at != '_')
		return 0;
	while (isalnum((unsigned char)at[len]) || at[len] == '_')
		len++;
	return len;
}

/* "# TYPE NAME KIND", "# UNIT NAME UNIT", "# HELP NAME WORDS". Gives what is wrong, or NULL. */
static const char *check_head(struct checker *c, const char *line)
{
	char what[8], name[80], rest[200];

	if (sscanf(line, "# %7s %79s %199[^\n]", what, name, rest) != 3)
		return "a comment that is none of TYPE, UNIT, HELP and EOF";
	if (name_length(name) != strlen(name))
		return "a name with other characters than letters, digits and _";
	if (!strcmp(what, "TYPE")) {
		for (unsigned i = 0; i < c->num_lines; i++) {
			char again[96];
			snprintf(again, sizeof(again), "# TYPE %s ", name);
			if (!strncmp(c->lines[i], again, strlen(again)))
				return "a family that was there before";
		}
		if (strcmp(rest, "counter") != 0 && strcmp(rest, "gauge") != 0)
			return "an unknown type";
		snprintf(c->family, sizeof(c->family), "%s", name);
		snprintf(c->kind, sizeof(c->kind), "%.15s", rest);
		c->sampled = false;
		return NULL;
	}
	if (strcmp(name, c->family) != 0 || c->sampled)
		return "a head that is not with its family's";
	if (!strcmp(what, "UNIT")) {
		size_t len = strlen(name), unit = strlen(rest);
		bool ends = len > unit + 1 && !strcmp(name + len - unit, rest);
		return ends && name[len - unit - 1] == '_' ? NULL : "a unit that ends no name";
	}
	return strcmp(what, "HELP") != 0 ? "a comment of no known kind" : NULL;
}

/* From '{' on; *end is behind the '}'. */
static const char *check_labels(const char *at, const char **end)
{
	do {
		at++;
		size_t len = name_length(at);
		if (!len || at[len] != '=' || at[len + 1] != '"')
			return "a label without a name or without quotes";
		for (at += len + 2; *at && *at != '"'; at++) {
			if (*at == '\\' && !strchr("\\\"n", *++at))
				return "an unknown escape";
		}
		if (*at++ != '"')
			return "a label without an end";
	} while (*at == ',');
	*end = at + 1;
	return *at == '}' ? NULL : "labels without an end";
}

static const char *check_sample(struct checker *c, const char *line)
{
	size_t len = name_length(line);
	const char *total = !strcmp(c->kind, "counter") && !c->classic ? "_total" : "";
	const char *at = line + len;
	char name[96], *end;

	snprintf(name, sizeof(name), "%s%s", c->family, total);
	if (strlen(name) != len || strncmp(name, line, len) != 0)
		return "a sample that is not of the family it stands in";
	c->sampled = true;
	if (*at == '{') {
		const char *wrong = check_labels(at, &at);
		if (wrong)
			return wrong;
	}
	for (unsigned i = 0; i < c->num_lines; i++)
		if (!strncmp(c->lines[i], line, (size_t)(at - line) + 1))
			return "a sample that was there before";
	if (*at != ' ' || !isdigit((unsigned char)at[1]))
		return "no value";
	strtod(at + 1, &end);
	return *end ? "more behind the value" : NULL;
}

static void check_text(const char *text, bool classic)
{
	struct checker *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->classic = classic;
	while (*text) {
		const char *stop = strchr(text, '\n');
		assert_non_null(stop);
		assert_true(c->num_lines < MAX_LINES && stop - text < 320);
		char *line = c->lines[c->num_lines];
		memcpy(line, text, (size_t)(stop - text));
		const char *wrong = c->ended ? "more behind the end" : NULL;
		if (!wrong && !strcmp(line, "# EOF") && !classic)
			c->ended = true;
		else if (!wrong)
			wrong = line[0] == '#' ? check_head(c, line) : check_sample(c, line);
		if (wrong)
			fail_msg("%s: %s", wrong, line);
		c->num_lines++;
		text = stop + 1;
	}
	assert_true(c->ended || classic);
	free(c);
}

/* ---- Tests ------------------------------------------------------------------------------------- */

static void a_text_without_instances_is_openmetrics(void **state)
{
	struct fake *fake = *state;
	char *text = print(fake, false);

	check_text(text, false);
	assert_true(has_line(text, "medio_instances{parent=\"mtty\",type=\"mtty-1\"} 0"));
	assert_true(
		has_line(text, "medio_available_instances{parent=\"mtty\",type=\"mtty-2\"} 12"));
	assert_true(has_line(text, "# UNIT process_cpu_seconds seconds"));
	assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
	free(text);
}

static void each_instance_has_its_counters(void **state)
{
	struct fake *fake = *state;
	struct stand_in *one = stand_in(0, fake_instance(fake, fake->one, 1), getpid(), 1);
	struct stand_in *two = stand_in(1, fake_instance(fake, fake->two, 2), 1, 1);

	one->stats = (struct medio_stats){ .messages = 11,
		.reads = 12,
		.writes = 13,
		.irqs = 14,
		.dma_read = 15,
		.dma_written = UINT64_MAX,
		.faults = 17,
		.errors = 18,
		.clients = 19,
		.connected = 1 };
	two->inst.restarts = 3;
	char *text = print(fake, false);
	check_text(text, false);
#define ONE "uuid=\"00000000-0000-0000-0000-000000000001\",type=\"mtty-1\",parent=\"mtty\""
#define TWO "uuid=\"00000000-0000-0000-0000-000000000002\",type=\"mtty-2\",parent=\"mtty\""
	static const char *const lines[] = {
		"medio_messages_total{" ONE "} 11",
		"medio_region_accesses_total{" ONE ",direction=\"read\"} 12",
		"medio_region_accesses_total{" ONE ",direction=\"write\"} 13",
		"medio_irqs_total{" ONE "} 14",
		"medio_dma_bytes_total{" ONE ",direction=\"read\"} 15",
		"medio_dma_bytes_total{" ONE ",direction=\"write\"} 18446744073709551615",
		"medio_dma_faults_total{" ONE "} 17",
		"medio_client_errors_total{" ONE "} 18",
		"medio_clients_total{" ONE "} 19",
		"medio_client_connected{" ONE "} 1",
		"medio_worker_restarts_total{" ONE "} 0",
		"medio_worker_restarts_total{" TWO "} 3",
		"medio_messages_total{" TWO "} 0",
		"medio_instance_up{" TWO "} 1",
		"medio_instances{parent=\"mtty\",type=\"mtty-1\"} 1",
		"medio_available_instances{parent=\"mtty\",type=\"mtty-1\"} 21",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!has_line(text, lines[i]))
			fail_msg("%s is not in\n%s", lines[i], text);
	free(text);
}

static void an_instance_that_nothing_runs_is_down_and_has_no_counters(void **state)
{
	struct fake *fake = *state;

	stand_in(0, fake_instance(fake, fake->one, 1), 0, 0);
	char *text = print(fake, false);
	check_text(text, false);
	assert_true(has_line(text, "medio_instance_up{" ONE "} 0"));
	assert_int_equal(count(text, "medio_messages_total{"), 0);
	assert_int_equal(count(text, "medio_instance_info{"), 0);
	assert_int_equal(count(text, "medio_worker_instances{"), 0);
	free(text);
}

static void a_process_is_told_once_whatever_it_runs(void **state)
{
	struct fake *fake = *state;
	char line[80];

	stand_in(0, fake_instance(fake, fake->one, 1), getpid(), 2);
	stand_in(1, fake_instance(fake, fake->one, 2), 1, 1);
	stand_in(2, fake_instance(fake, fake->one, 3), getpid(), 2);
	char *text = print(fake, false);
	check_text(text, false); /* which refuses a sample that is there twice */
	snprintf(line, sizeof(line), "medio_worker_instances{pid=\"%d\"} 2", (int)getpid());
	assert_true(has_line(text, line));
	snprintf(line, sizeof(line), "medio_worker_instances{pid=\"%d\"} 1", 1);
	assert_true(has_line(text, line));
	assert_int_equal(count(text, "medio_worker_resident_memory_bytes{"), 2);
	assert_int_equal(count(text, "medio_instance_info{"), 3);
	free(text);
}

static void a_process_that_has_gone_is_left_out(void **state)
{
	struct fake *fake = *state;

	stand_in(0, fake_instance(fake, fake->one, 1), 0x7fffffff, 1);
	char *text = print(fake, false);
	check_text(text, false);
	assert_int_equal(count(text, "medio_worker_cpu_seconds_total{"), 0);
	free(text);
}

static void names_are_escaped(void **state)
{
	static const struct medio_type odd_type = { .name = "a\"b\\c\nd" };
	static const struct medio_type *const types[] = { &odd_type, NULL };
	static const struct medio_parent_desc odd = { .name = "o\\\"", .types = types };
	struct fake *fake = *state;
	struct medio_parent *parent;

	assert_int_equal(medio_parent_register(fake->bus, &odd, &fake_driver, &parent, NULL), 0);
	char *text = print(fake, false);
	check_text(text, false);
	assert_true(
		has_line(text, "medio_instances{parent=\"o\\\\\\\"\",type=\"a\\\"b\\\\c\\nd\"} 0"));
	free(text);
}

static void the_older_format_names_a_counter_whole_and_has_no_end(void **state)
{
	struct fake *fake = *state;

	stand_in(0, fake_instance(fake, fake->one, 1), getpid(), 1);
	char *text = print(fake, true);
	check_text(text, true);
	assert_true(has_line(text, "# TYPE medio_messages_total counter"));
	assert_true(has_line(text, "medio_messages_total{" ONE "} 0"));
	assert_int_equal(count(text, "# EOF"), 0);
	assert_int_equal(count(text, "# UNIT"), 0);
	free(text);
}

static void the_better_liked_format_is_given(void **state)
{
	static const struct {
		const char *accept;
		bool classic;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/plain", true },
		{ "text/*", true },
		{ "TEXT/Plain; version=0.0.4", true },
		{ "text/plain;q=0", false },
		{ "text/html,application/xml;q=0.9,*/*;q=0.8", false },
		{ "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
			false },
		{ "application/openmetrics-text; q=0.3, text/plain; q=0.35", true },
		{ "text/plain;q=0.5, application/openmetrics-text;q=0.50", false },
		/* The range that says most about a type counts, wherever it stands. */
		{ "*/*;q=0.9, application/openmetrics-text;q=0.1", true },
		{ "text/plain;q=0.2, text/*;q=0.9, application/*;q=0.3", false },
		/* Nonsense. */
		{ ";;;,,,;q=,", false },
		{ "text/plain;q=2", false },
		{ "text/plain; ", true },
		{ "text/plain ;a=b; Q=0.001", true },
		{ "text/plainer, application/openmetrics-text;q=0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (medio_metrics_wants_classic(cases[i].accept) != cases[i].classic)
			fail_msg("'%s' should %sask for the older format", cases[i].accept,
				cases[i].classic ? "" : "not ");
}

static void only_loopback_is_a_host(void **state)
{
	static const char *const good[] = { NULL, "localhost", "LOCALHOST:9", "127.0.0.1",
		"127.0.0.1:9100", "[::1]", "[::1]:9100" };
	static const char *const bad[] = { "", "evil.example", "127.0.0.1.evil.example",
		"localhost.evil.example:9100", "127.0.0.2", "[::2]:1", "::1" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(medio_metrics_host_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(medio_metrics_host_ok(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_text_without_instances_is_openmetrics, fake_setup, teardown),
		cmocka_unit_test_setup_teardown(
			each_instance_has_its_counters, fake_setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_instance_that_nothing_runs_is_down_and_has_no_counters, fake_setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_process_is_told_once_whatever_it_runs, fake_setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_process_that_has_gone_is_left_out, fake_setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_escaped, fake_setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_older_format_names_a_counter_whole_and_has_no_end, fake_setup,
			teardown),
		cmocka_unit_test(the_better_liked_format_is_given),
		cmocka_unit_test(only_loopback_is_a_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
