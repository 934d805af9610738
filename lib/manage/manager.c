/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "manage/run.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

#define RUNTIME_MAX   55 /* "/UUID/vfio-user.sock" and its NUL fit a socket's 108 bytes behind it */
#define DISCONNECT_NS 3000000000ull
/* How long an orphan's lock is waited for, in moments of 2 ms. */
#define ORPHAN_MOMENTS 1000u

void medio_manager_log(struct medio_manager *m, enum medio_log_level level, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	if (!m->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	m->log(m->log_opaque, level, line);
}

/* ---- Its folder --------------------------------------------------------------------------------------- */

/* A folder that nobody else can change what is in. */
static int make_folder(const char *path, mode_t mode, struct medio_error **err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0
			       ? medio_error_set(err, errno, "%s: %s", path, strerror(errno))
			       : 0;
	if (errno != EEXIST)
		return medio_error_set(
			err, errno, "cannot make the folder %s: %s", path, strerror(errno));
	if (stat(path, &st) < 0)
		return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return medio_error_set(err, ENOTDIR, "%s is not a folder", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & 022)
		return medio_error_set(err, EPERM,
			"others can change what is in %s (owner %u, mode %04o); it must be ours",
			path, (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
	return 0;
}

static void read_owner(int fd, char who[32])
{
	ssize_t n = pread(fd, who, 31, 0);
	who[n > 0 ? strcspn(who, "\n") : 0] = '\0';
}

/* A process that was to become a worker when its mediod was killed has the lock until then. */
static bool is_orphan(int fd)
{
	char who[32] = "";

	read_owner(fd, who);
	long pid = strtol(who, NULL, 10);
	return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static int is_locked(int fd, const char *runtime, struct medio_error **err)
{
	char who[32] = "";

	read_owner(fd, who);
	return medio_error_set(err, EADDRINUSE,
		"a mediod%s%s has %s already; `mediod --replace` takes its instances over",
		*who ? ", pid " : "", who, runtime);
}

static int lock_folder(const char *runtime, struct medio_error **err)
{
	static const struct timespec moment = { .tv_nsec = 2000000 };
	char path[PATH_MAX], who[32];
	struct stat now, there;
	unsigned moments = 0;

	snprintf(path, sizeof(path), "%s/lock", runtime);
	for (;;) {
		_cleanup_close_ int fd = open(
			path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0)
			return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
		int ret = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
		if (ret == -EWOULDBLOCK && moments < ORPHAN_MOMENTS && is_orphan(fd)) {
			moments++;
			nanosleep(&moment, NULL);
			continue;
		}
		if (ret)
			return ret == -EWOULDBLOCK
				       ? is_locked(fd, runtime, err)
				       : medio_error_set(err, -ret, "%s: %s", path, strerror(-ret));
		/* The one who had it may have removed it in between. */
		if (fstat(fd, &now) < 0 || stat(path, &there) < 0 || now.st_ino != there.st_ino)
			continue;
		int len = snprintf(who, sizeof(who), "%d\n", (int)getpid());
		if (ftruncate(fd, 0) < 0 || pwrite(fd, who, (size_t)len, 0) < 0)
			return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
		return medio_steal_fd(fd);
	}
}

static int make_places(struct medio_manager *m, struct medio_error **err)
{
	const char *runtime = m->places.runtime;
	char path[PATH_MAX];

	if (strlen(runtime) > RUNTIME_MAX)
		return medio_error_set(err, ENAMETOOLONG,
			"the runtime folder's path may have %d bytes, not more: %s", RUNTIME_MAX,
			runtime);
	if (access(m->places.worker, X_OK) < 0)
		return medio_error_set(err, errno, "the program for workers, %s: %s",
			m->places.worker, strerror(errno));
	int ret = make_folder(runtime, 0755, err);
	if (ret)
		return ret;
	m->lock = lock_folder(runtime, err);
	if (m->lock < 0)
		return m->lock;
	snprintf(path, sizeof(path), "%s/workers", runtime);
	return make_folder(path, 0700, err);
}

/* ---- Init and fini ------------------------------------------------------------------------------------ */

/* An instance costs a descriptor or two. */
static void lift_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int make_bus(struct medio_manager *m)
{
	int ret = medio_loop_new(&m->loop);

	if (!ret)
		ret = medio_bus_new(&m->bus);
	if (!ret)
		ret = medio_workers_new(m, &m->workers);
	if (!ret)
		ret = medio_bus_subscribe(
			m->bus, medio_managed_on_event, NULL, &m->workers->subscriber);
	return ret;
}

static void release(struct medio_manager *m)
{
	medio_loop_free(m->loop);
	if (m->lock >= 0)
		close(m->lock);
	free(m->places.runtime);
	free(m->places.definitions);
	free(m->places.worker);
	m->loop = NULL;
	m->lock = -1;
	m->places = (struct medio_places){ 0 };
}

int medio_manager_init(struct medio_manager *m, struct medio_error **err)
{
	m->lock = -1;
	medio_list_init(&m->parents);
	int ret = make_places(m, err);
	if (!ret) {
		lift_files();
		ret = make_bus(m);
		if (ret)
			medio_error_set(err, -ret, "%s", strerror(-ret));
	}
	if (!ret)
		ret = medio_mdev_driver_register(m->bus, &medio_mdev_worker, m, err);
	if (!ret)
		return 0;
	if (m->workers)
		medio_workers_free(m->workers, true);
	m->workers = NULL;
	medio_bus_free(m->bus);
	m->bus = NULL;
	release(m);
	return ret;
}

/* Everybody is to see an orderly end. */
static void disconnect_all(struct medio_manager *m)
{
	uint64_t end = medio_now_ns() + DISCONNECT_NS;
	struct medio_mdev *mdev = NULL;
	bool any = false;

	while ((mdev = medio_bus_next_mdev(m->bus, mdev))) {
		struct medio_managed *inst = medio_managed_of(mdev);
		if (!inst || !inst->num_clients)
			continue;
		medio_managed_disconnect(inst);
		any = true;
	}
	while (any && medio_now_ns() < end) {
		medio_loop_run_once(m->loop, 50);
		any = false;
		for (mdev = NULL; (mdev = medio_bus_next_mdev(m->bus, mdev));)
			any |= medio_mdev_opens(mdev) > 0;
	}
}

/* What a mediod that ends for good leaves behind is nothing. */
static void remove_places(const struct medio_manager *m)
{
	struct stat ours, there;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/workers", m->places.runtime);
	rmdir(path);
	/* Somebody may have cleared the folder away under us, and begun another there. */
	snprintf(path, sizeof(path), "%s/lock", m->places.runtime);
	if (fstat(m->lock, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
		ours.st_ino == there.st_ino)
		unlink(path);
}

void medio_manager_fini(struct medio_manager *m, bool leaving)
{
	m->leaving = leaving;
	m->workers->ending = true;
	if (!leaving)
		disconnect_all(m);
	medio_bus_free(m->bus);
	m->bus = NULL;
	medio_parents_free(m);
	medio_workers_free(m->workers, leaving);
	m->workers = NULL;
	if (!leaving)
		remove_places(m);
	release(m);
}

/* ---- Create and remove -------------------------------------------------------------------------------- */

struct creation {
	struct medio_manager *m;
	struct medio_who who;
	medio_manager_created *created;
	void *opaque;
	const char *type, *parent;
	char uuid[64]; /* as it was asked for, for the log */
};

static void tell_created(
	struct creation *creation, struct medio_mdev *mdev, int ret, const char *words)
{
	const char *uuid = mdev ? medio_mdev_uuid(mdev) : creation->uuid;

	if (ret < 0)
		medio_manager_log(creation->m, MEDIO_LOG_INFO,
			"create %s%s%s of %s, for uid %u (pid %d): %s", uuid, *uuid ? ", " : "",
			creation->type, creation->parent, (unsigned)creation->who.uid,
			(int)creation->who.pid, words ? words : strerror(-ret));
	else
		medio_manager_log(creation->m, MEDIO_LOG_INFO,
			"%s is there, %s of %s, for uid %u (pid %d)", uuid, creation->type,
			creation->parent, (unsigned)creation->who.uid, (int)creation->who.pid);
	creation->created(creation->opaque, ret < 0 ? NULL : mdev, ret, words);
	free(creation);
}

static void on_created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	tell_created(opaque, ret < 0 ? NULL : mdev, ret, words);
}

void medio_manager_create(struct medio_manager *m, struct medio_parent *parent,
	const struct medio_type *type, const char *uuid, size_t len,
	const struct medio_creation *how, medio_manager_created *created, void *opaque)
{
	struct creation *creation = calloc(1, sizeof(*creation));
	struct medio_mdev_options opts = {
		.params = how->params,
		.nparams = how->nparams,
		.filters = how->filters,
		.nfilters = how->nfilters,
		.context = how,
		.created = on_created,
		.opaque = creation,
	};
	struct medio_error *err = NULL;
	struct medio_mdev *mdev;

	if (!creation) {
		created(opaque, NULL, -ENOMEM, NULL);
		return;
	}
	*creation = (struct creation){ m, how->who, created, opaque, type ? type->name : "?",
		medio_parent_desc(parent)->name, "" };
	/* len bytes of anything, without an end. */
	for (size_t i = 0; uuid && i < len && i < sizeof(creation->uuid) - 1; i++)
		creation->uuid[i] = uuid[i] >= ' ' && uuid[i] < 0x7f ? uuid[i] : '\0';
	if (!how->permitted && !medio_policy_allows(&m->policy, &how->who, MEDIO_MAY_CREATE, 0)) {
		medio_manager_refused(m, &how->who, "create instances");
		tell_created(creation, NULL, -EACCES,
			"only root, mediod's own user and members "
			"of its group may create instances");
		return;
	}
	int ret = medio_mdev_create(parent, type, uuid, len, &opts, &mdev, &err);
	if (ret == MEDIO_DEFERRED)
		return;
	tell_created(creation, ret ? NULL : mdev, ret, ret ? medio_error_text(err) : NULL);
	medio_error_free(err);
}

struct removal {
	struct medio_manager *m;
	medio_mdev_done *done;
	void *opaque;
	char uuid[MEDIO_UUID_TEXT], who[64];
};

static void tell_removed(void *opaque, int ret)
{
	struct removal *removal = opaque;

	if (removal->done)
		removal->done(removal->opaque, ret);
	free(removal);
}

static void on_removed(void *opaque, int ret)
{
	struct removal *removal = opaque;

	if (ret)
		medio_manager_log(removal->m, MEDIO_LOG_INFO, "remove %s, by %s: %s", removal->uuid,
			removal->who, strerror(-ret));
	else
		medio_manager_log(removal->m, MEDIO_LOG_INFO, "%s is gone, removed by %s",
			removal->uuid, removal->who);
	if (!ret && removal->m->settle)
		removal->m->settle(removal->m->settle_opaque, tell_removed, removal);
	else
		tell_removed(removal, ret);
}

/* Whoever has it open, or one of its virtual functions, is asked no more. */
static void disconnect(struct medio_mdev *mdev)
{
	struct medio_managed *inst = medio_managed_of(mdev);
	struct medio_mdev *vf = NULL;

	if (inst && medio_mdev_opens(mdev))
		medio_managed_disconnect(inst);
	while ((vf = medio_mdev_next_vf(mdev, vf)))
		disconnect(vf);
}

static bool is_asked(const struct medio_mdev *mdev)
{
	const struct medio_managed *inst = medio_managed_of(mdev);
	const struct medio_mdev *vf = NULL;
	bool asked = inst && inst->asking != MEDIO_ASK_NOT;

	while (!asked && (vf = medio_mdev_next_vf(mdev, vf)))
		asked = is_asked(vf);
	return asked;
}

/* It is going already, and its user is asked: no more asking. */
static bool hurry(struct medio_mdev *mdev, struct removal *removal)
{
	struct medio_managed *inst = medio_managed_of(mdev);

	if (!inst || !is_asked(mdev) || medio_managed_wait(inst, on_removed, removal))
		return false;
	disconnect(mdev);
	return true;
}

void medio_manager_remove(struct medio_manager *m, struct medio_mdev *mdev,
	const struct medio_who *who, bool now, medio_mdev_done *done, void *opaque)
{
	struct medio_managed *inst = medio_managed_of(mdev);
	struct removal *removal = calloc(1, sizeof(*removal));

	if (!removal) {
		if (done)
			done(opaque, -ENOMEM);
		return;
	}
	removal->m = m;
	removal->done = done;
	removal->opaque = opaque;
	snprintf(removal->uuid, sizeof(removal->uuid), "%s", medio_mdev_uuid(mdev));
	if (who)
		snprintf(removal->who, sizeof(removal->who), "uid %u (pid %d)", (unsigned)who->uid,
			(int)who->pid);
	else
		snprintf(removal->who, sizeof(removal->who), "mediod");
	if (who && !medio_policy_allows(
			   &m->policy, who, MEDIO_MAY_CHANGE, inst ? inst->uid : m->policy.uid)) {
		medio_manager_refused(m, who, "remove %s", removal->uuid);
		on_removed(removal, -EACCES);
		return;
	}
	int ret = medio_mdev_remove(mdev, on_removed, removal);
	if (ret == -EBUSY)
		medio_manager_log(m, MEDIO_LOG_WARN,
			"%s is a virtual function: it goes when sriov_numvfs of its card, %s, is set "
			"to 0",
			removal->uuid, medio_mdev_uuid(medio_mdev_pf(mdev)));
	if (ret == MEDIO_DEFERRED) {
		if (now)
			disconnect(mdev);
	} else if (ret != -EAGAIN || !now || !hurry(mdev, removal)) {
		on_removed(removal, ret);
	}
}
