/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tree in a process of its own: a bus with a parent like mtty and a driver that starts nothing, so
 * that what is tested is the tree. The tests look at it from outside, as anybody would.
 */
#ifndef TREE_BED_H
#define TREE_BED_H

#include <stdbool.h>
#include <sys/types.h>

/* How the driver of a tree's process is. */
struct tree_options {
	unsigned probe_ms;   /* a create takes so long; 0: it is done at once */
	bool open;	     /* each instance is in use as soon as it is there */
	unsigned release_ms; /* and let go so long after it was asked for; 0: never */
	bool ops;	     /* access, attr_path and refused are ours */
};

struct tree_bed {
	pid_t pid;     /* of the process */
	int control;   /* tree_bed_order() */
	char dir[64];  /* a folder of its own */
	char path[80]; /* where the tree is, "DIR/sys" */
	char log[80];  /* what ops->refused and gone said */
};

/* Why trees cannot be mounted here, NULL: they can. */
const char *tree_bed_cannot(void);
void tree_bed_new(struct tree_bed *bed, const struct tree_options *opts);
/* The same where another was that has been killed. */
void tree_bed_again(struct tree_bed *bed, const struct tree_options *opts);
/* Ends the process; its exit status. The tree must have gone from where it was. */
int tree_bed_free(struct tree_bed *bed);
/* "create UUID", "remove UUID", "unregister", past the tree: wait for the end of it and for the kernel
 * to know, and give the result. */
int tree_bed_order(struct tree_bed *bed, const char *order);
/* Run the server in this process, for benchmarks and a look by hand. */
int tree_bed_serve(const char *path, const struct tree_options *opts, unsigned instances,
	int control, const char *log);

#endif
