/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single Root I/O Virtualization: the extended capability of a physical function, and that of ARI, which
 * its functions beyond the eighth need. What a type must have for it, what the registers hold, and
 * what of a write counts. Who makes the virtual functions hears of it as MEDIO_PCI_VFS.
 *
 * Source: PCI Express Base 6.0, 9.3.3 (SR-IOV), 7.8.8 (ARI).
 */
#ifndef MEDIO_PCI_SRIOV_H
#define MEDIO_PCI_SRIOV_H

#include "pci/config.h"

#define MEDIO_PCI_SRIOV_SIZE	64u
#define MEDIO_PCI_ARI_SIZE	8u
#define MEDIO_PCI_SRIOV_MAX_VFS 256u

/* -EINVAL, with words: type->sriov is not possible. 0 too if it is NULL. */
int medio_pci_sriov_validate(const struct medio_type *type, struct medio_error **err);

/* Routing IDs of the VFs begin so far behind the PF's, and are so far apart. */
unsigned medio_pci_sriov_offset(const struct medio_sriov *sriov);
unsigned medio_pci_sriov_stride(const struct medio_sriov *sriov);

/* Write the capability into layout, whose arrays reach at least to its end; next: its successor, or 0. */
void medio_pci_sriov_fill(struct medio_pci_layout *layout, unsigned offset, unsigned next,
	const struct medio_type *type);
void medio_pci_ari_fill(struct medio_pci_layout *layout, unsigned offset, unsigned next);

/*
 * A client has written, and before is what the capability held (MEDIO_PCI_SRIOV_SIZE bytes). What must not
 * change gets its old value again: NumVFs, the page size and the ARI bit while there are VFs, bits of a VF
 * BAR below its size, a page size that is none; and VF Enable stays clear with a NumVFs that is not possible.
 * MEDIO_PCI_VFS if VF Enable was changed, also if it is clear again, else 0.
 */
unsigned medio_pci_sriov_written(struct medio_pci_config *config, const uint8_t *before);

/* Bytes of the capability from elsewhere (migration), whose constant bits were checked: -EINVAL if no
 * writes lead there. */
int medio_pci_sriov_check(const struct medio_pci_layout *layout, const uint8_t *cap);

/* The registers. Without the capability: false, 0. */
bool medio_pci_sriov_enabled(const struct medio_pci_config *config); /* VF Enable */
bool medio_pci_sriov_memory(const struct medio_pci_config *config);  /* VF MSE, and enabled */
unsigned medio_pci_sriov_num(const struct medio_pci_config *config); /* NumVFs */

/* As a driver sets them: NumVFs, then VF Enable and VF MSE; or for 0 these two off, then NumVFs. */
void medio_pci_sriov_set(struct medio_pci_config *config, unsigned num);
/* VF Enable off, the rest as it was: the VFs could not be made. */
void medio_pci_sriov_disable(struct medio_pci_config *config);

#endif
