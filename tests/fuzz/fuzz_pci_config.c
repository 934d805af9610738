/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space and MSI-X memory under a client's accesses, and the decoder on whatever comes
 * out and on the raw input. An input is a list of records: operation, offset (2 bytes), length, and
 * as many bytes as the length says for writes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci/config.h"
#include "pci/decode.h"
#include "pci/msix.h"
#include "pci/sriov.h"
#include "../unit/test_pci_types.h"

#define check(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_unmasked(void *opaque, unsigned vector)
{
	struct medio_pci_msix *msix = opaque;
	check(!medio_pci_msix_masked(msix, vector));
	medio_pci_msix_clear_pending(msix, vector);
}

/* Both forms, at every level, into nowhere. */
static void decode(const uint8_t *bytes, size_t count, FILE *out)
{
	static const uint64_t sizes[6] = { 8, 0, 4096, 0, 0, 16 };
	struct medio_pci_decode d = { .slot = "x", .bytes = bytes, .count = count, .hex = 1 };

	if (count <= 256)
		d.hex = 4; /* 4096 bytes of dump only cost time */
	for (; d.verbose <= 3; d.verbose++) {
		d.sizes = d.verbose & 1 ? sizes : NULL;
		check((medio_pci_decode_text(&d, out) < 0) == (count < 64));
	}
	d.hex = d.hex == 4;
	check((medio_pci_decode_json(&d, out) < 0) == (count < 64));
}

/* What no write may ever change. */
static void check_invariants(const struct medio_pci_config *config)
{
	const struct medio_pci_layout *layout = config->layout;

	for (unsigned i = 0; i < layout->extent; i++) {
		uint8_t may = layout->wmask[i] | layout->w1c[i] | layout->live[i];
		check(!((config->values[i] ^ layout->initial[i]) & ~may));
	}
	unsigned power = medio_pci_config_power_state(config);
	check(power == 0 || power == 3);
	check(medio_pci_config_msi_nvec(config) <= 8);
	unsigned vfs = medio_pci_sriov_num(config);
	check(!medio_pci_sriov_enabled(config) || (vfs && vfs <= layout->total_vfs));
	check(!medio_pci_sriov_memory(config) || medio_pci_sriov_enabled(config));
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++)
		if (layout->bars[n].size)
			check(!(medio_pci_config_bar_address(config, n) &
				(layout->bars[n].size - 1)));
}

static void run(struct medio_pci_config *config, struct medio_pci_msix *msix, const uint8_t *data,
	size_t size)
{
	uint8_t buf[4096];

	while (size >= 4) {
		unsigned op = data[0] % 8;
		uint64_t offset = medio_pci_get16(data + 1);
		size_t len = data[3];
		data += 4;
		size -= 4;
		size_t given = len < size ? len : size;
		switch (op) {
		case 0:
			(void)medio_pci_config_read(config, offset, buf, len);
			break;
		case 1:
		case 2: {
			bool was = medio_pci_sriov_enabled(config);
			unsigned num = medio_pci_sriov_num(config);
			int events = medio_pci_config_write(config, offset, data, given);
			bool is = medio_pci_sriov_enabled(config);
			check((events < 0) == (offset + given > 4096));
			check(was == is || events & MEDIO_PCI_VFS);
			check(!is || medio_pci_sriov_num(config) == num);
			if (events >= 0 && events & (MEDIO_PCI_FLR | MEDIO_PCI_POWER_UP))
				medio_pci_config_reset(config);
			data += given;
			size -= given;
			break;
		}
		case 3:
			medio_pci_config_set_msi_pending(config, (unsigned)len, offset & 1);
			medio_pci_config_set_intx_status(config, offset & 2);
			break;
		case 4:
			(void)medio_pci_msix_read(msix, offset, buf, len);
			(void)medio_pci_msix_pba_read(msix, offset, buf, len);
			break;
		case 5:
			(void)medio_pci_msix_write(msix, offset, data, given, on_unmasked, msix);
			data += given;
			size -= given;
			break;
		case 6:
			medio_pci_msix_set_pending(msix, (unsigned)offset);
			break;
		default:
			check(medio_pci_config_read(config, 0, buf, 4096) == 0);
			check(medio_pci_config_load(config, buf, 4096) == 0);
			if (offset < 4096)
				buf[offset] ^= (uint8_t)len;
			(void)medio_pci_config_load(config, buf, 4096);
		}
		check_invariants(config);
	}
}

static void on_card(
	struct medio_pci_layout *layout, const uint8_t *data, size_t size, FILE *nowhere)
{
	struct medio_pci_config config;
	struct medio_pci_msix msix;
	uint8_t bytes[4096];

	check(medio_pci_config_init(&config, layout) == 0);
	check(medio_pci_msix_init(&msix, rich_type.irqs.msix.vectors) == 0);
	run(&config, &msix, data, size);
	check(medio_pci_config_read(&config, 0, bytes, sizeof(bytes)) == 0);
	decode(bytes, sizeof(bytes), nowhere);
	medio_pci_msix_fini(&msix);
	medio_pci_config_fini(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct medio_pci_layout *layouts[3];
	static FILE *nowhere;
	if (!nowhere) {
		check(medio_pci_layout_new(&rich_type, &layouts[0], NULL) == 0);
		check(medio_pci_layout_new(&pf_type, &layouts[1], NULL) == 0);
		check(medio_pci_layout_new_vf(&pf_vf_type, &layouts[2], NULL) == 0);
		nowhere = fopen("/dev/null", "w");
		check(nowhere);
	}
	for (unsigned i = 0; i < 3; i++)
		on_card(layouts[i], data, size, nowhere);

	/* The input itself, exactly sized so that a sanitizer sees each read behind its end. */
	decode(data, size < 4096 ? size : 4096, nowhere);
	return 0;
}
