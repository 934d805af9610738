/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sriov_try URI PART [ARGUMENT]: virtual functions, in the guest. Says what it found; exits 1 with words
 * when that is wrong.
 *
 *   igb          URI is a virtual function of an Intel 82576: registers and MSI-X interrupts. Its
 *                physical function must be up. Source: 82576 datasheet, Virtual Function Device
 *                Registers.
 *   token URI    URI is a physical function, the other its virtual one: that opens with the token only
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <medio/driver.h>

#define COMMAND	 4 /* of config space */
#define MASTER	 4
#define VTCTRL	 0x0000 /* control; bit 26 resets */
#define VTSTATUS 0x0008
#define VTMBX	 0x0c40 /* mailbox to the physical function */
#define VTEICS	 0x1520 /* make interrupts, each bit a vector */
#define VTEIMS	 0x1524 /* let vectors through */
#define VTEIMC	 0x1528 /* do not */
#define VTEIAC	 0x152c /* clear by themselves */
#define CTRL_RST (1u << 26)
#define VECTORS	 3
#define LOOK_MS	 100
#define WAIT_MS	 20000
#define TOKEN	 "6e1f0cc6-5e4d-4ff0-9c8f-3d1ad4d4a2b7"
#define NO_TOKEN "6e1f0cc6-5e4d-4ff0-9c8f-3d1ad4d4a2b8"
#define VF_TOKEN 0 /* VFIO_DEVICE_FEATURE_PCI_VF_TOKEN */
#define BAR0	 MEDIO_CARD_BAR0
#define MSIX	 MEDIO_CARD_MSIX

static int failed(const char *what, struct medio_card *card, int ret)
{
	printf("%s: %s (%s)\n", what, strerror(-ret), card ? medio_card_last_error(card) : "");
	return 1;
}

static int open_card(const char *uri, const char *token, struct medio_card **out)
{
	struct medio_card_options opts = { .vf_token = token };
	struct medio_error *err = NULL;
	int ret = medio_card_open(uri, &opts, out, &err);

	if (ret)
		printf("%s: %s\n", strerror(-ret), medio_error_text(err));
	medio_error_free(err);
	return ret;
}

/* ---- A network card's virtual function --------------------------------------------------------- */

/* An interrupt is a write to memory. */
static int master(struct medio_card *card)
{
	uint16_t command = 0;
	int ret = medio_card_read16(card, MEDIO_CARD_CONFIG, COMMAND, &command);

	return ret ? ret : medio_card_write16(card, MEDIO_CARD_CONFIG, COMMAND, command | MASTER);
}

static int registers(struct medio_card *card)
{
	struct medio_card_region bar;
	uint32_t status = 0, mailbox = 0;
	int ret = medio_card_get_region(card, BAR0, &bar);

	if (!ret)
		ret = medio_card_write32(card, BAR0, VTCTRL, CTRL_RST);
	if (!ret)
		ret = medio_card_read32(card, BAR0, VTSTATUS, &status);
	if (!ret)
		ret = medio_card_read32(card, BAR0, VTMBX, &mailbox);
	if (ret)
		return failed("registers", card, ret);
	printf("BAR 0 of %llu bytes, status %08x, mailbox %08x\n", (unsigned long long)bar.size,
		status, mailbox);
	/* A device that does not answer reads as ones. */
	return status == UINT32_MAX || mailbox == UINT32_MAX;
}

/* Only the one that was made comes, and each time. */
static int interrupt(struct medio_card *card, unsigned vector)
{
	uint64_t events = 0, others = 0;
	int ret = medio_card_write32(card, BAR0, VTEICS, 1u << vector);

	if (!ret)
		ret = medio_card_irq_wait(card, MSIX, vector, WAIT_MS, &events);
	for (unsigned i = 0; i < VECTORS && !ret; i++)
		if (!medio_card_irq_wait(card, MSIX, i, 0, &events))
			others += events;
	if (ret)
		return failed("interrupt", card, ret);
	if (others)
		printf("vector %u: %llu others came\n", vector, (unsigned long long)others);
	return others != 0;
}

/* One that is masked comes when it is not any more. */
static bool holds_back(struct medio_card *card)
{
	uint64_t events = 0;

	medio_card_write32(card, BAR0, VTEIMC, 1);
	medio_card_write32(card, BAR0, VTEICS, 1);
	int masked = medio_card_irq_wait(card, MSIX, 0, LOOK_MS, &events);
	medio_card_write32(card, BAR0, VTEIMS, 1);
	int unmasked = medio_card_irq_wait(card, MSIX, 0, WAIT_MS, &events);
	printf("masked: %s; unmasked: %s\n", masked ? "none comes" : "one came",
		unmasked ? "none comes" : "it comes");
	return masked == -ETIMEDOUT && !unmasked;
}

static int enable(struct medio_card *card)
{
	const uint32_t all = (1u << VECTORS) - 1;
	int ret = master(card);

	if (!ret)
		ret = medio_card_irq_open(card, MSIX, VECTORS);
	if (!ret)
		ret = medio_card_write32(card, BAR0, VTEIAC, all);
	if (!ret)
		ret = medio_card_write32(card, BAR0, VTEIMS, all);
	return ret ? failed("MSI-X", card, ret) : 0;
}

static int igb(const char *uri)
{
	struct medio_card *card;
	unsigned came = 0;

	if (open_card(uri, NULL, &card))
		return 1;
	int ret = registers(card) || enable(card);
	for (unsigned i = 0; i < 4 * VECTORS && !ret; i++) {
		ret = interrupt(card, i % VECTORS);
		came += !ret;
	}
	printf("%u of %u interrupts\n", came, 4 * VECTORS);
	ret = ret || !holds_back(card);
	medio_card_close(card);
	return ret;
}

/* ---- The secret of a physical function --------------------------------------------------------- */

static int set_token(struct medio_card *card)
{
	uint8_t token[16];

	for (unsigned i = 0, at = 0; i < sizeof(token); i++, at += 2) {
		at += TOKEN[at] == '-';
		sscanf(&TOKEN[at], "%2hhx", &token[i]);
	}
	int ret = medio_card_feature(
		card, VF_TOKEN | MEDIO_CARD_FEATURE_SET, token, sizeof(token), 0, NULL);
	return ret ? failed("token", card, ret) : 0;
}

/* Does it open, as it should? */
static int opens(const char *uri, const char *name, const char *token, int expected)
{
	struct medio_card *card = NULL;

	printf("%s: ", name);
	int ret = open_card(uri, token, &card);
	if (!ret)
		puts("open");
	medio_card_close(card);
	return ret != expected;
}

static int token(const char *uri, const char *vf)
{
	struct medio_card *card;
	uint32_t id;
	int ret;

	if (open_card(uri, NULL, &card))
		return 1;
	ret = set_token(card);
	if (!ret)
		ret = opens(vf, "without a token", NULL, -EACCES) |
		      opens(vf, "with another", NO_TOKEN, -EACCES) |
		      opens(vf, "with the token", TOKEN, 0);
	if (!ret)
		ret = medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id);
	medio_card_close(card);
	return ret != 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[2], "igb"))
		return igb(argv[1]);
	if (argc == 4 && !strcmp(argv[2], "token"))
		return token(argv[1], argv[3]);
	return 2;
}
