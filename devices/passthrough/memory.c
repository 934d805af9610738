/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's memory, mapped for the card at the same addresses. What it cannot reach the client must hear of. */
#include <errno.h>
#include <string.h>

#include "inside.h"

typedef unsigned long long ull;

int passthrough_dma_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot)
{
	struct passthrough *p = medio_priv(dev);
	uint64_t offset = 0;
	int fd = -1;

	if (!passthrough_alive(p))
		return medio_fail(dev, ENODEV, "%s is gone: it reaches no memory", p->uri);
	int ret = medio_dma_file(dev, iova, size, &fd, &offset);
	if (ret == -EREMOTE)
		return medio_fail(dev, EREMOTE,
			"the 0x%llx bytes at 0x%llx came without a file, so that %s cannot reach them: "
			"share the client's memory (QEMU: memory-backend-memfd,share=on)",
			(ull)size, (ull)iova, p->uri);
	if (ret)
		return medio_fail(dev, -ret, "0x%llx bytes at 0x%llx: %s", (ull)size, (ull)iova,
			strerror(-ret));
	/* The client may cut its file short. */
	unsigned both = MEDIO_CARD_DMA_GUARD | (prot & MEDIO_PROT_READ ? MEDIO_CARD_DMA_READ : 0) |
			(prot & MEDIO_PROT_WRITE ? MEDIO_CARD_DMA_WRITE : 0);
	ret = passthrough_result(p, medio_card_dma_map_fd(p->card, iova, size, both, fd, offset));
	if (ret)
		return medio_fail(dev, -ret, "%s: %s", p->uri, medio_card_last_error(p->card));
	return 0;
}

void passthrough_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size)
{
	struct passthrough *p = medio_priv(dev);

	if (!p->card)
		return;
	/* Also of one that is dead: the mapping must not be made again when it comes back. */
	int ret = medio_card_dma_unmap(p->card, iova, size);
	/* Not there: it is taken back after it could not be made. */
	if (ret == -ENOENT)
		return;
	if (passthrough_result(p, ret))
		medio_log(dev, MEDIO_LOG_ERROR,
			"%s: 0x%llx bytes at 0x%llx cannot be taken back: %s", p->uri, (ull)size,
			(ull)iova, medio_card_last_error(p->card));
}
