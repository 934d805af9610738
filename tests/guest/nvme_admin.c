/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme_admin DEVICE WHAT…: what the physical function of an NVMe controller does for its virtual ones,
 * through the kernel's driver of it. A new virtual function is offline and has nothing: it needs
 * queues and interrupts, and to be put online.
 *
 *   list             each secondary controller: ID, virtual function, state, queues, interrupts
 *   free             flexible resources that can be given: queues, interrupts
 *   give ID Q I      Q queues (with the admin queue) and I interrupts; it must be offline
 *   online ID, offline ID
 *
 * Source: NVM Express Base Specification, Virtualization Management command; Identify, CNS 14h and 15h.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define OP_IDENTIFY   0x06
#define OP_VIRT_MGMT  0x1c
#define CNS_PRIMARY   0x14
#define CNS_SECONDARY 0x15

enum { QUEUES, INTERRUPTS };		      /* kinds of resources */
enum { OFFLINE = 7, ASSIGN = 8, ONLINE = 9 }; /* actions */

struct primary {
	uint16_t id, port;
	uint8_t kinds, reserved5[27];
	struct {
		uint32_t flexible, assigned;
		uint16_t of_primary, private, most, granularity;
		uint8_t reserved[16];
	} resources[2]; /* queues, interrupts */
};

struct secondary {
	uint16_t id, primary;
	uint8_t state, reserved5[3];
	uint16_t function, queues, interrupts;
	uint8_t reserved14[18];
};

_Static_assert(sizeof(struct primary) == 96, "as the specification has it");
_Static_assert(sizeof(struct secondary) == 32, "as the specification has it");

static int command(int fd, struct nvme_admin_cmd *cmd, const char *what)
{
	int ret = ioctl(fd, NVME_IOCTL_ADMIN_CMD, cmd);

	if (ret < 0)
		printf("%s: %s\n", what, strerror(errno));
	else if (ret)
		printf("%s: status %x\n", what, ret);
	return ret != 0;
}

static int identify(int fd, uint32_t cns, uint8_t data[4096])
{
	struct nvme_admin_cmd cmd = {
		.opcode = OP_IDENTIFY,
		.addr = (uintptr_t)data,
		.data_len = 4096,
		.cdw10 = cns,
	};

	return command(fd, &cmd, "identify");
}

static int list(int fd)
{
	static uint8_t data[4096];
	const struct secondary *at = (const void *)(data + 32);

	if (identify(fd, CNS_SECONDARY, data))
		return 1;
	for (unsigned i = 0; i < data[0]; i++)
		printf("%u function %u %s %u queues %u interrupts\n", le16toh(at[i].id),
			le16toh(at[i].function), at[i].state & 1 ? "online" : "offline",
			le16toh(at[i].queues), le16toh(at[i].interrupts));
	return 0;
}

static int show_free(int fd)
{
	static uint8_t data[4096];
	const struct primary *primary = (const void *)data;

	if (identify(fd, CNS_PRIMARY, data))
		return 1;
	for (int i = QUEUES; i <= INTERRUPTS; i++)
		printf("%u of %u %s\n",
			le32toh(primary->resources[i].flexible) -
				le32toh(primary->resources[i].assigned),
			le32toh(primary->resources[i].flexible),
			i == QUEUES ? "queues" : "interrupts");
	return 0;
}

static int manage(int fd, unsigned id, unsigned action, unsigned kind, unsigned count)
{
	struct nvme_admin_cmd cmd = {
		.opcode = OP_VIRT_MGMT,
		.cdw10 = id << 16 | kind << 8 | action,
		.cdw11 = count,
	};
	char what[64];

	snprintf(what, sizeof(what), "controller %u, action %u, %u of kind %u", id, action, count,
		kind);
	return command(fd, &cmd, what);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	unsigned numbers[3] = { 0 };

	int fd = argc > 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		printf("%s: %s\n", argc > 2 ? argv[1] : "nvme_admin",
			argc > 2 ? strerror(errno) : "what?");
		return 2;
	}
	for (int i = 3; i < argc && i < 6; i++)
		numbers[i - 3] = (unsigned)strtoul(argv[i], NULL, 10);
	if (!strcmp(what, "list"))
		return list(fd);
	if (!strcmp(what, "free"))
		return show_free(fd);
	if (!strcmp(what, "give"))
		return manage(fd, numbers[0], ASSIGN, QUEUES, numbers[1]) ||
		       manage(fd, numbers[0], ASSIGN, INTERRUPTS, numbers[2]);
	if (!strcmp(what, "online"))
		return manage(fd, numbers[0], ONLINE, 0, 0);
	if (!strcmp(what, "offline"))
		return manage(fd, numbers[0], OFFLINE, 0, 0);
	return 2;
}
