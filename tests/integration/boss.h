/* SPDX-License-Identifier: BSD-3-Clause */
/* The test as mediod: starts a real medio-worker and speaks to it, message by message. */
#ifndef TESTS_BOSS_H
#define TESTS_BOSS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <medio/driver.h>

#include "worker/shared.h"
#include "worker/wire.h"

#define BOSS_SLOTS   256
#define BOSS_WAIT_MS 60000

extern const char *boss_program; /* medio-worker */

struct boss {
	char dir[40], path[64];
	pid_t pid;    /* of the worker; 0: none */
	int listener; /* the worker's; stays here too, as it is mediod's */
	int sock;     /* to the worker; -1 */
	int counters;
	union medio_shared_slot *slots;
	unsigned flags; /* of READY */
	char log[4096]; /* LOG lines, one behind the other */
	struct medio_wire_packet in;
};

/* A worker and a connection to it; no HELLO yet. */
void boss_open(struct boss *b);
/* Whatever still runs is killed. */
void boss_close(struct boss *b);
void boss_start_worker(struct boss *b);
/* Another connection; the former one stays open, and is returned. */
int boss_connect(struct boss *b);
/* connect, HELLO, READY. */
void boss_hello(struct boss *b);
void boss_send(struct boss *b, const struct medio_wire_msg *msg);
/* The next message that is no LOG; fails the test when none comes. NULL: the worker has hung up. */
struct medio_wire_msg *boss_receive(struct boss *b);
/* The next one, which must be of this kind. */
struct medio_wire_msg *boss_expect(struct boss *b, enum medio_wire_kind kind);
/* Exit status as waitpid() gives it. */
int boss_wait(struct boss *b);

/* What boss_start() sends, changed by the caller first. */
struct boss_start {
	struct medio_wire_start how;
	const char *strings[16];
	uint16_t counts[3];
	int checkpoint; /* -1: none */
};
/* type and n parameters; isolated, as ourselves, in slot 0. */
void boss_plan(struct boss_start *start, const char *type, unsigned n, const char *const *params);
/* The answer. UUIDs are numbers here. */
struct medio_wire_msg *boss_start(struct boss *b, unsigned uuid, const struct boss_start *start);
/* As above, and it must work. */
void boss_started(struct boss *b, unsigned uuid, const struct boss_start *start);
void boss_uuid(unsigned number, uint8_t uuid[MEDIO_UUID_SIZE]);
void boss_simple(struct boss *b, enum medio_wire_kind kind, unsigned uuid);
/* A client of instance uuid: our end of its connection. */
int boss_client(struct boss *b, unsigned uuid, uint64_t cookie);
/* A driver on such a connection. */
struct medio_card *boss_card(struct boss *b, unsigned uuid, uint64_t cookie);
/* Of /proc/PID/status, in the base it is printed in ("CapEff": 16). */
unsigned long long boss_status(const struct boss *b, const char *key, int base);

int boss_setup(void **state);
int boss_teardown(void **state);

#endif
