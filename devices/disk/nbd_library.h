/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libnbd, loaded when somebody wants a disk of an NBD server. With what it stands on (TLS, XML) it is 40 MB
 * that no other device has a use for: neither a worker of mediod nor a guest's initramfs should carry it.
 */
#ifndef MEDIO_DISK_NBD_LIBRARY_H
#define MEDIO_DISK_NBD_LIBRARY_H

#include <libnbd.h>

#define DISK_NBD_CALLS(X) \
	X(nbd_aio_connect) \
	X(nbd_aio_connect_uri) \
	X(nbd_aio_disconnect) \
	X(nbd_aio_flush) \
	X(nbd_aio_get_direction) \
	X(nbd_aio_get_fd) \
	X(nbd_aio_is_closed) \
	X(nbd_aio_is_dead) \
	X(nbd_aio_is_processing) \
	X(nbd_aio_is_ready) \
	X(nbd_aio_notify_read) \
	X(nbd_aio_notify_write) \
	X(nbd_aio_pread) \
	X(nbd_aio_pwrite) \
	X(nbd_aio_trim) \
	X(nbd_aio_zero) \
	X(nbd_can_flush) \
	X(nbd_can_fua) \
	X(nbd_can_trim) \
	X(nbd_can_zero) \
	X(nbd_close) \
	X(nbd_create) \
	X(nbd_get_block_size) \
	X(nbd_get_errno) \
	X(nbd_get_error) \
	X(nbd_get_export_name) \
	X(nbd_get_protocol) \
	X(nbd_get_size) \
	X(nbd_get_tls_negotiated) \
	X(nbd_is_read_only) \
	X(nbd_poll) \
	X(nbd_set_export_name) \
	X(nbd_set_pread_initialize) \
	X(nbd_set_strict_mode) \
	X(nbd_set_uri_allow_local_file) \
	X(nbd_set_uri_allow_transports)

struct disk_nbd_library {
	void *handle; /* NULL: not loaded */
#define X(call_) __typeof__(call_) *call_;
	DISK_NBD_CALLS(X)
#undef X
};

extern struct disk_nbd_library disk_nbd_library;

/* Load it, once a process, on any thread. 0, or -ENOENT with the loader's words. */
int disk_nbd_library_load(char *words, size_t size);

/* So that callers are written as for a library that is linked. */
#ifndef DISK_NBD_LIBRARY_ITSELF
#define nbd_aio_connect		     disk_nbd_library.nbd_aio_connect
#define nbd_aio_connect_uri	     disk_nbd_library.nbd_aio_connect_uri
#define nbd_aio_disconnect	     disk_nbd_library.nbd_aio_disconnect
#define nbd_aio_flush		     disk_nbd_library.nbd_aio_flush
#define nbd_aio_get_direction	     disk_nbd_library.nbd_aio_get_direction
#define nbd_aio_get_fd		     disk_nbd_library.nbd_aio_get_fd
#define nbd_aio_is_closed	     disk_nbd_library.nbd_aio_is_closed
#define nbd_aio_is_dead		     disk_nbd_library.nbd_aio_is_dead
#define nbd_aio_is_processing	     disk_nbd_library.nbd_aio_is_processing
#define nbd_aio_is_ready	     disk_nbd_library.nbd_aio_is_ready
#define nbd_aio_notify_read	     disk_nbd_library.nbd_aio_notify_read
#define nbd_aio_notify_write	     disk_nbd_library.nbd_aio_notify_write
#define nbd_aio_pread		     disk_nbd_library.nbd_aio_pread
#define nbd_aio_pwrite		     disk_nbd_library.nbd_aio_pwrite
#define nbd_aio_trim		     disk_nbd_library.nbd_aio_trim
#define nbd_aio_zero		     disk_nbd_library.nbd_aio_zero
#define nbd_can_flush		     disk_nbd_library.nbd_can_flush
#define nbd_can_fua		     disk_nbd_library.nbd_can_fua
#define nbd_can_trim		     disk_nbd_library.nbd_can_trim
#define nbd_can_zero		     disk_nbd_library.nbd_can_zero
#define nbd_close		     disk_nbd_library.nbd_close
#define nbd_create		     disk_nbd_library.nbd_create
#define nbd_get_block_size	     disk_nbd_library.nbd_get_block_size
#define nbd_get_errno		     disk_nbd_library.nbd_get_errno
#define nbd_get_error		     disk_nbd_library.nbd_get_error
#define nbd_get_export_name	     disk_nbd_library.nbd_get_export_name
#define nbd_get_protocol	     disk_nbd_library.nbd_get_protocol
#define nbd_get_size		     disk_nbd_library.nbd_get_size
#define nbd_get_tls_negotiated	     disk_nbd_library.nbd_get_tls_negotiated
#define nbd_is_read_only	     disk_nbd_library.nbd_is_read_only
#define nbd_poll		     disk_nbd_library.nbd_poll
#define nbd_set_export_name	     disk_nbd_library.nbd_set_export_name
#define nbd_set_pread_initialize     disk_nbd_library.nbd_set_pread_initialize
#define nbd_set_strict_mode	     disk_nbd_library.nbd_set_strict_mode
#define nbd_set_uri_allow_local_file disk_nbd_library.nbd_set_uri_allow_local_file
#define nbd_set_uri_allow_transports disk_nbd_library.nbd_set_uri_allow_transports
#endif

#endif
