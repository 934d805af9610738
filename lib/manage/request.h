/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request on the control socket: what a line asks for, checked against the table of operations,
 * and its answer. Every request is answered once, with medio_request_done() or _fail().
 */
#ifndef MEDIO_MANAGE_REQUEST_H
#define MEDIO_MANAGE_REQUEST_H

#include <json-c/json.h>

#include "manage/control.h"

struct medio_connection;
struct medio_request;

enum medio_op_kind {
	MEDIO_OP_STRING,
	MEDIO_OP_BOOL,
	MEDIO_OP_NUMBER,  /* 0 to INT_MAX */
	MEDIO_OP_STRINGS, /* list of strings */
	MEDIO_OP_PAIRS,	  /* list of objects of one pair of strings each */
};

struct medio_op_key {
	const char *name; /* NULL ends a table */
	enum medio_op_kind kind;
	bool required;
};

struct medio_op {
	const char *name;		 /* NULL ends the table */
	const struct medio_op_key *keys; /* NULL: none */
	enum medio_right right;		 /* checked before run */
	void (*run)(struct medio_request *request);
};

/* Every operation. */
extern const struct medio_op medio_control_ops[];

struct medio_request {
	struct medio_list item;	       /* among those of control */
	struct medio_control *control; /* NULL: gone */
	struct medio_connection *conn; /* NULL: gone, nobody hears the answer */
	struct medio_manager *manager;
	struct medio_who who;
	const struct medio_op *op;
	struct json_object *json;
	void *state; /* the operation's own */
};

/*
 * Understand a line of len bytes, ended by NUL. *json is set whenever it is an object, also on
 * failure, for its id. -EINVAL with words: no JSON object, no or unknown operation, an unknown or
 * missing key, a wrong type.
 */
int medio_request_parse(const char *line, size_t len, struct json_object **json,
	const struct medio_op **op, struct medio_error **err);

/* The value of a key the operation has; NULL or false: it is not there. */
const char *medio_request_string(const struct medio_request *request, const char *key);
bool medio_request_bool(const struct medio_request *request, const char *key);
bool medio_request_has(const struct medio_request *request, const char *key);
/* -1: it is not there. */
int medio_request_number(const struct medio_request *request, const char *key);
/* A copy. -ENOMEM. */
int medio_request_strings(
	const struct medio_request *request, const char *key, struct medio_strv *out);
int medio_request_pairs(const struct medio_request *request, const char *key,
	struct medio_strv *names, struct medio_strv *values);

/* The instance "uuid" names, by its UUID or, of a card with virtual functions, as "nic0": NULL after the
 * request has been failed. */
struct medio_mdev *medio_request_mdev(struct medio_request *request);

/* The parent and type that "type" and, perhaps, "parent" name. -EINVAL with words; 1: the request has
 * been failed. */
int medio_request_type(struct medio_request *request, struct medio_parent **parent,
	const struct medio_type **type, struct medio_error **err);

/* enum medio_restart by its name. -EINVAL with words. */
int medio_request_restart(const char *name, int *out, struct medio_error **err);
/* Whether an instance of type has an attribute name that can be written, or may have, with filters that
 * have it; and, for a parameter, whether value is possible. -EINVAL with words. */
int medio_request_check_attr(const struct medio_manager *m, const struct medio_type *type,
	const char *name, const char *value, struct medio_error **err);

/* Answer; both free the request. result is taken; NULL: out of memory. */
void medio_request_done(struct medio_request *request, struct json_object *result);
/* ret is -errno; words may be NULL: the errno's. */
void medio_request_fail(struct medio_request *request, int ret, const char *words);
/* The same with words of an error, which is freed. */
void medio_request_error(struct medio_request *request, int ret, struct medio_error *err);

/* control.c's part: send one answer, and let the connection go on. object is freed. */
void medio_control_answer(struct medio_request *request, struct json_object *object);
/* What the operations know of control. */
struct json_object *medio_control_hello(const struct medio_control *control);
void medio_control_subscribe(struct medio_request *request);
const struct medio_control_options *medio_control_options_of(const struct medio_control *control);

/* The operation on virtual functions, control-sriov.c. */
void medio_op_sriov(struct medio_request *request);
/* Operations on definitions, control-define.c. */
void medio_op_definitions(struct medio_request *request);
void medio_op_define(struct medio_request *request);
void medio_op_modify(struct medio_request *request);
void medio_op_undefine(struct medio_request *request);
void medio_op_start_defined(struct medio_request *request, medio_manager_created *started);

#endif
