/* SPDX-License-Identifier: BSD-3-Clause */
/* The PCI Express capability (PCI Express Base 7.5.3) in lspci's words. */
#include <linux/pci_regs.h>

#include "pci/bytes.h"
#include "pci/decode-cap.h"
#include "util/cleanup.h"

/* Fields with a text for each value; the last text stands for all values beyond. */
#define PICK(texts, value) \
	((texts)[(value) < MEDIO_ARRAY_SIZE(texts) ? (value) : MEDIO_ARRAY_SIZE(texts) - 1])

static const char *const l0s_latency[] = { "<64ns", "<128ns", "<256ns", "<512ns", "<1us", "<2us",
	"<4us", "unlimited" };
static const char *const l1_latency[] = { "<1us", "<2us", "<4us", "<8us", "<16us", "<32us", "<64us",
	"unlimited" };
static const char *const speeds[] = { "unknown", "2.5GT/s", "5GT/s", "8GT/s", "16GT/s", "32GT/s",
	"64GT/s", "unknown" };

struct express {
	const struct medio_pci_decode *d;
	const uint8_t *cap;
	unsigned type;
	bool endpoint; /* native or legacy */
	FILE *out;
};

static uint16_t get16(const struct express *e, unsigned offset)
{
	return medio_pci_get16(e->cap + offset);
}

static uint32_t get32(const struct express *e, unsigned offset)
{
	return medio_pci_get32(e->cap + offset);
}

static void print_power_limit(unsigned value, unsigned scale, FILE *out)
{
	static const float scales[] = { 1.0F, 0.1F, 0.01F, 0.001F };

	if (!scale && value == 0xff) {
		fputs(">600W", out);
		return;
	}
	/* Above 239 W the steps are 25 W wide (7.5.3.9). */
	if (!scale && value >= 0xf0)
		value = 250 + 25 * (value - 0xf0);
	fprintf(out, "%gW", (double)((float)value * scales[scale]));
}

static void print_devcap(const struct express *e)
{
	uint32_t c = get32(e, PCI_EXP_DEVCAP);
	bool upstream = e->type == PCI_EXP_TYPE_UPSTREAM || e->type == PCI_EXP_TYPE_PCI_BRIDGE;
	FILE *out = e->out;

	fprintf(out, "\t\tDevCap:\tMaxPayload %u bytes, PhantFunc %u", 128u << (c & 7),
		(1u << (c >> 3 & 3)) - 1);
	if (e->endpoint)
		fprintf(out, ", Latency L0s %s, L1 %s", l0s_latency[c >> 6 & 7],
			l1_latency[c >> 9 & 7]);
	fprintf(out, "\n\t\t\tExtTag%c", FLAG(c, PCI_EXP_DEVCAP_EXT_TAG));
	if (e->endpoint || upstream)
		fprintf(out, " AttnBtn%c AttnInd%c PwrInd%c", FLAG(c, PCI_EXP_DEVCAP_ATN_BUT),
			FLAG(c, PCI_EXP_DEVCAP_ATN_IND), FLAG(c, PCI_EXP_DEVCAP_PWR_IND));
	fprintf(out, " RBE%c", FLAG(c, PCI_EXP_DEVCAP_RBER));
	if (e->endpoint || e->type == PCI_EXP_TYPE_RC_END)
		fprintf(out, " FLReset%c", FLAG(c, PCI_EXP_DEVCAP_FLR));
	if (e->type == PCI_EXP_TYPE_ENDPOINT || upstream) {
		fputs(" SlotPowerLimit ", out);
		print_power_limit(c >> 18 & 0xff, c >> 26 & 3, out);
	}
	fputc('\n', out);
}

static void print_devctl(const struct express *e)
{
	uint32_t cap = get32(e, PCI_EXP_DEVCAP);
	uint16_t c = get16(e, PCI_EXP_DEVCTL), s = get16(e, PCI_EXP_DEVSTA);
	FILE *out = e->out;

	fprintf(out, "\t\tDevCtl:\tCorrErr%c NonFatalErr%c FatalErr%c UnsupReq%c\n",
		FLAG(c, PCI_EXP_DEVCTL_CERE), FLAG(c, PCI_EXP_DEVCTL_NFERE),
		FLAG(c, PCI_EXP_DEVCTL_FERE), FLAG(c, PCI_EXP_DEVCTL_URRE));
	fprintf(out, "\t\t\tRlxdOrd%c ExtTag%c PhantFunc%c AuxPwr%c NoSnoop%c",
		FLAG(c, PCI_EXP_DEVCTL_RELAX_EN), FLAG(c, PCI_EXP_DEVCTL_EXT_TAG),
		FLAG(c, PCI_EXP_DEVCTL_PHANTOM), FLAG(c, PCI_EXP_DEVCTL_AUX_PME),
		FLAG(c, PCI_EXP_DEVCTL_NOSNOOP_EN));
	/* Bit 15 has another meaning in a bridge. */
	if (e->type == PCI_EXP_TYPE_PCI_BRIDGE)
		fprintf(out, " BrConfRtry%c", FLAG(c, PCI_EXP_DEVCTL_BCR_FLR));
	if ((e->endpoint || e->type == PCI_EXP_TYPE_RC_END) && (cap & PCI_EXP_DEVCAP_FLR))
		fprintf(out, " FLReset%c", FLAG(c, PCI_EXP_DEVCTL_BCR_FLR));
	fprintf(out, "\n\t\t\tMaxPayload %u bytes, MaxReadReq %u bytes\n", 128u << (c >> 5 & 7),
		128u << (c >> 12 & 7));
	fprintf(out,
		"\t\tDevSta:\tCorrErr%c NonFatalErr%c FatalErr%c UnsupReq%c AuxPwr%c TransPend%c\n",
		FLAG(s, PCI_EXP_DEVSTA_CED), FLAG(s, PCI_EXP_DEVSTA_NFED),
		FLAG(s, PCI_EXP_DEVSTA_FED), FLAG(s, PCI_EXP_DEVSTA_URD),
		FLAG(s, PCI_EXP_DEVSTA_AUXPD), FLAG(s, PCI_EXP_DEVSTA_TRPND));
}

static void print_lnkcap(const struct express *e)
{
	static const char *const aspm_support[] = { "not supported", "L0s", "L1", "L0s L1" };
	uint32_t c = get32(e, PCI_EXP_LNKCAP);
	unsigned aspm = c >> 10 & 3;
	FILE *out = e->out;

	fprintf(out, "\t\tLnkCap:\tPort #%u, Speed %s, Width x%u, ASPM %s", c >> 24,
		PICK(speeds, c & 15), c >> 4 & 0x3f, aspm_support[aspm]);
	if (aspm)
		fputs(", Exit Latency ", out);
	if (aspm & 1)
		fprintf(out, "L0s %s", l0s_latency[c >> 12 & 7]);
	if (aspm & 2)
		fprintf(out, "%sL1 %s", aspm & 1 ? ", " : "", l1_latency[c >> 15 & 7]);
	fprintf(out, "\n\t\t\tClockPM%c Surprise%c LLActRep%c BwNot%c ASPMOptComp%c\n",
		FLAG(c, PCI_EXP_LNKCAP_CLKPM), FLAG(c, PCI_EXP_LNKCAP_SDERC),
		FLAG(c, PCI_EXP_LNKCAP_DLLLARC), FLAG(c, PCI_EXP_LNKCAP_LBNC), FLAG(c, 1 << 22));
}

static const char *compare(const struct express *e, unsigned now, unsigned most)
{
	if (now > most)
		return " (overdriven)";
	if (now == most || e->type == PCI_EXP_TYPE_ROOT_PORT ||
		e->type == PCI_EXP_TYPE_DOWNSTREAM || e->type == PCI_EXP_TYPE_PCIE_BRIDGE)
		return "";
	return " (downgraded)";
}

static void print_lnkctl(const struct express *e)
{
	static const char *const aspm[] = { "Disabled", "L0s Enabled", "L1 Enabled",
		"L0s L1 Enabled" };
	uint32_t cap = get32(e, PCI_EXP_LNKCAP);
	uint16_t c = get16(e, PCI_EXP_LNKCTL), s = get16(e, PCI_EXP_LNKSTA);
	FILE *out = e->out;

	fprintf(out, "\t\tLnkCtl:\tASPM %s;", aspm[c & PCI_EXP_LNKCTL_ASPMC]);
	if (e->endpoint || e->type == PCI_EXP_TYPE_ROOT_PORT || e->type == PCI_EXP_TYPE_PCI_BRIDGE)
		fprintf(out, " RCB %u bytes,", c & PCI_EXP_LNKCTL_RCB ? 128u : 64u);
	fprintf(out,
		" Disabled%c CommClk%c\n\t\t\tExtSynch%c ClockPM%c AutWidDis%c BWInt%c "
		"AutBWInt%c\n",
		FLAG(c, PCI_EXP_LNKCTL_LD), FLAG(c, PCI_EXP_LNKCTL_CCC), FLAG(c, PCI_EXP_LNKCTL_ES),
		FLAG(c, PCI_EXP_LNKCTL_CLKREQ_EN), FLAG(c, PCI_EXP_LNKCTL_HAWD),
		FLAG(c, PCI_EXP_LNKCTL_LBMIE), FLAG(c, PCI_EXP_LNKCTL_LABIE));
	unsigned speed = s & 15, width = s >> 4 & 0x3f;
	fprintf(out, "\t\tLnkSta:\tSpeed %s%s, Width x%u%s\n", PICK(speeds, speed),
		compare(e, speed, cap & 15), width, compare(e, width, cap >> 4 & 0x3f));
	fprintf(out, "\t\t\tTrErr%c Train%c SlotClk%c DLActive%c BWMgmt%c ABWMgmt%c\n",
		FLAG(s, 1 << 10), FLAG(s, PCI_EXP_LNKSTA_LT), FLAG(s, PCI_EXP_LNKSTA_SLC),
		FLAG(s, PCI_EXP_LNKSTA_DLLLA), FLAG(s, PCI_EXP_LNKSTA_LBMS),
		FLAG(s, PCI_EXP_LNKSTA_LABS));
}

/* AtomicOp completion is said of functions with memory BARs only. */
static bool has_memory_bar(const struct medio_pci_decode *d)
{
	for (unsigned n = 0; n < 6; n++) {
		uint32_t bar = medio_pci_get32(d->bytes + PCI_BASE_ADDRESS_0 + 4 * (size_t)n);
		bool there = (bar && bar != 0xffffffff) || (d->sizes && d->sizes[n]);
		if (there && !(bar & PCI_BASE_ADDRESS_SPACE_IO))
			return true;
	}
	return false;
}

static void print_devcap2(const struct express *e)
{
	static const char *const ranges[16] = { "Not Supported", "Range A", "Range B", "Range AB",
		[6] = "Range BC", [7] = "Range ABC", [14] = "Range BCD", [15] = "Range ABCD" };
	static const char *const obff[] = { "Not Supported", "Via message", "Via WAKE#",
		"Via message/WAKE#" };
	static const char *const reduction[] = { "Not Supported", "Dev Specific",
		"Form Factor Dev Specific", "Reserved" };
	static const char *const tph[] = { " TPHComp- ExtTPHComp-", " TPHComp+ ExtTPHComp-", " ",
		" TPHComp+ ExtTPHComp+" };
	uint32_t c = get32(e, PCI_EXP_DEVCAP2);
	FILE *out = e->out;

	fprintf(out,
		"\t\tDevCap2: Completion Timeout: %s, TimeoutDis%c NROPrPrP%c LTR%c\n"
		"\t\t\t 10BitTagComp%c 10BitTagReq%c OBFF %s, ExtFmt%c EETLPPrefix%c",
		ranges[c & 15] ? ranges[c & 15] : "Unknown", FLAG(c, 1 << 4), FLAG(c, 1 << 10),
		FLAG(c, 1 << 11), FLAG(c, 1 << 16), FLAG(c, 1 << 17), obff[c >> 18 & 3],
		FLAG(c, 1 << 20), FLAG(c, 1 << 21));
	if (c & 1 << 21)
		fprintf(out, ", MaxEETLPPrefixes %u", c >> 22 & 3 ? c >> 22 & 3 : 4);
	fprintf(out,
		"\n\t\t\t EmergencyPowerReduction %s, EmergencyPowerReductionInit%c\n\t\t\t FRS%c",
		reduction[c >> 24 & 3], FLAG(c, 1 << 26), FLAG(c, 1u << 31));
	if (e->type == PCI_EXP_TYPE_ENDPOINT || e->type == PCI_EXP_TYPE_ROOT_PORT)
		fputs(tph[c >> 12 & 3], out);
	fputc('\n', out);
	if (has_memory_bar(e->d))
		fprintf(out, "\t\t\t AtomicOpsCap: 32bit%c 64bit%c 128bitCAS%c\n", FLAG(c, 1 << 7),
			FLAG(c, 1 << 8), FLAG(c, 1 << 9));
}

static void print_devctl2(const struct express *e)
{
	static const char *const timeouts[16] = { "50us to 50ms", "50us to 100us",
		"1ms to 10ms", [5] = "16ms to 55ms", [6] = "65ms to 210ms", [9] = "260ms to 900ms",
		[10] = "1s to 3.5s", [13] = "4s to 13s", [14] = "17s to 64s" };
	static const char *const obff[] = { "Disabled", "Via message A", "Via message B",
		"Via WAKE#" };
	uint16_t c = get16(e, PCI_EXP_DEVCTL2);
	FILE *out = e->out;

	fprintf(out,
		"\t\tDevCtl2: Completion Timeout: %s, TimeoutDis%c LTR%c 10BitTagReq%c OBFF %s,\n",
		timeouts[c & 15] ? timeouts[c & 15] : "Unknown", FLAG(c, 1 << 4), FLAG(c, 1 << 10),
		FLAG(c, 1 << 12), obff[c >> 13 & 3]);
	if (e->endpoint || e->type == PCI_EXP_TYPE_RC_END || e->type == PCI_EXP_TYPE_ROOT_PORT)
		fprintf(out, "\t\t\t AtomicOpsCtl: ReqEn%c\n", FLAG(c, 1 << 6));
}

static void print_link2(const struct express *e)
{
	static const char *const targets[] = { "2.5GT/s", "2.5GT/s", "5GT/s", "8GT/s", "16GT/s",
		"32GT/s", "64GT/s", "Unknown" };
	static const char *const margins[] = { "Normal Operating Range",
		"800-1200mV(full-swing)/400-700mV(half-swing)",
		"200-400mV(full-swing)/100-200mV(half-swing)",
		"200-400mV(full-swing)/100-200mV(half-swing)",
		"200-400mV(full-swing)/100-200mV(half-swing)",
		"200-400mV(full-swing)/100-200mV(half-swing)", "Unknown" };
	static const char *const presets[] = { "-6dB de-emphasis, 0dB preshoot",
		"-3.5dB de-emphasis, 0dB preshoot", "-4.4dB de-emphasis, 0dB preshoot",
		"-2.5dB de-emphasis, 0dB preshoot", "0dB de-emphasis, 0dB preshoot",
		"0dB de-emphasis, 1.9dB preshoot", "0dB de-emphasis, 2.5dB preshoot",
		"-6.0dB de-emphasis, 3.5dB preshoot", "-3.5dB de-emphasis, 3.5dB preshoot",
		"0dB de-emphasis, 3.5dB preshoot", "Unknown" };
	static const char *const crosslinks[] = { "unsupported", "Upstream Port", "Downstream Port",
		"incomplete" };
	uint32_t cap = get32(e, PCI_EXP_LNKCAP2), vector = cap >> 1 & 0x7f;
	uint16_t c = get16(e, PCI_EXP_LNKCTL2), s = get16(e, PCI_EXP_LNKSTA2);
	FILE *out = e->out;

	if (cap) {
		const char *supported = vector & 0x60	? "RsvdP"
					: vector & 0x10 ? "2.5-32GT/s"
					: vector & 0x08 ? "2.5-16GT/s"
					: vector & 0x04 ? "2.5-8GT/s"
					: vector & 0x02 ? "2.5-5GT/s"
					: vector & 0x01 ? "2.5GT/s"
							: "Unknown";
		fprintf(out,
			"\t\tLnkCap2: Supported Link Speeds: %s, Crosslink%c Retimer%c 2Retimers%c "
			"DRS%c\n",
			supported, FLAG(cap, 1 << 8), FLAG(cap, 1 << 23), FLAG(cap, 1 << 24),
			FLAG(cap, 1u << 31));
	}
	fprintf(out, "\t\tLnkCtl2: Target Link Speed: %s, EnterCompliance%c SpeedDis%c\n",
		PICK(targets, c & 15u), FLAG(c, 1 << 4), FLAG(c, 1 << 5));
	fprintf(out,
		"\t\t\t Transmit Margin: %s, EnterModifiedCompliance%c ComplianceSOS%c\n"
		"\t\t\t Compliance Preset/De-emphasis: %s\n",
		PICK(margins, c >> 7 & 7u), FLAG(c, 1 << 10), FLAG(c, 1 << 11),
		PICK(presets, c >> 12 & 15u));
	fprintf(out,
		"\t\tLnkSta2: Current De-emphasis Level: %s, EqualizationComplete%c "
		"EqualizationPhase1%c\n"
		"\t\t\t EqualizationPhase2%c EqualizationPhase3%c LinkEqualizationRequest%c\n"
		"\t\t\t Retimer%c 2Retimers%c CrosslinkRes: %s\n",
		s & 1 ? "-3.5dB" : "-6dB", FLAG(s, 1 << 1), FLAG(s, 1 << 2), FLAG(s, 1 << 3),
		FLAG(s, 1 << 4), FLAG(s, 1 << 5), FLAG(s, 1 << 6), FLAG(s, 1 << 7),
		crosslinks[s >> 8 & 3]);
}

static void print_type(unsigned type, bool slot, FILE *out)
{
	static const char *const names[16] = {
		[PCI_EXP_TYPE_ENDPOINT] = "Endpoint",
		[PCI_EXP_TYPE_LEG_END] = "Legacy Endpoint",
		[PCI_EXP_TYPE_ROOT_PORT] = "Root Port",
		[PCI_EXP_TYPE_UPSTREAM] = "Upstream Port",
		[PCI_EXP_TYPE_DOWNSTREAM] = "Downstream Port",
		[PCI_EXP_TYPE_PCI_BRIDGE] = "PCI-Express to PCI/PCI-X Bridge",
		[PCI_EXP_TYPE_PCIE_BRIDGE] = "PCI/PCI-X to PCI-Express Bridge",
		[PCI_EXP_TYPE_RC_END] = "Root Complex Integrated Endpoint",
		[PCI_EXP_TYPE_RC_EC] = "Root Complex Event Collector",
	};

	if (!names[type])
		fprintf(out, "Unknown type %u", type);
	else
		fputs(names[type], out);
	if (type == PCI_EXP_TYPE_ROOT_PORT || type == PCI_EXP_TYPE_DOWNSTREAM ||
		type == PCI_EXP_TYPE_PCIE_BRIDGE)
		fprintf(out, " (Slot%c)", slot ? '+' : '-');
}

void medio_pci_decode_express(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	uint16_t flags = medio_pci_get16(d->bytes + at + PCI_EXP_FLAGS);
	unsigned type = flags >> 4 & 15;
	bool link = type != PCI_EXP_TYPE_RC_END && type != PCI_EXP_TYPE_RC_EC;
	const struct express e = {
		.d = d,
		.cap = d->bytes + at,
		.type = type,
		.endpoint = type == PCI_EXP_TYPE_ENDPOINT || type == PCI_EXP_TYPE_LEG_END,
		.out = out,
	};

	fputs("Express ", out);
	if (d->verbose > 1)
		fprintf(out, "(v%u) ", flags & PCI_EXP_FLAGS_VERS);
	print_type(type, flags & PCI_EXP_FLAGS_SLOT, out);
	fprintf(out, ", MSI %02x\n", flags >> 9 & 31);
	if (d->verbose < 2 || !medio_pci_decode_has(d, at, PCI_EXP_SLTCAP))
		return;
	print_devcap(&e);
	print_devctl(&e);
	if (link) {
		print_lnkcap(&e);
		print_lnkctl(&e);
	}
	if ((flags & PCI_EXP_FLAGS_VERS) < 2 || !medio_pci_decode_has(d, at, PCI_EXP_SLTCAP2))
		return;
	print_devcap2(&e);
	print_devctl2(&e);
	if (link)
		print_link2(&e);
}
