/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/metrics-accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "util/cleanup.h"

#define QUALITY_MAX 1000 /* thousandths: a quality has three decimals at most */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* "0.5" as 500; what is no quality is 0. */
static unsigned parse_quality(const char *at)
{
	unsigned quality = 0, place = QUALITY_MAX;

	if (*at != '0' && *at != '1')
		return 0;
	quality = *at == '1' ? QUALITY_MAX : 0;
	if (at[1] != '.')
		return quality;
	for (at += 2; *at >= '0' && *at <= '9' && place > 1; at++) {
		place /= 10;
		quality += (unsigned)(*at - '0') * place;
	}
	return quality > QUALITY_MAX ? QUALITY_MAX : quality;
}

/* The q of one range: its parameters are from at to end. */
static unsigned quality_of(const char *at, const char *end)
{
	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		at = skip_blanks(at + 1);
		if ((at[0] == 'q' || at[0] == 'Q') && at[1] == '=')
			return parse_quality(at + 2);
		if (at >= end)
			break;
	}
	return QUALITY_MAX;
}

/* How much accept wants type ("text/plain"): by the most specific range that covers it. */
static unsigned wish(const char *accept, const char *type)
{
	size_t major = strcspn(type, "/") + 1;
	unsigned quality = 0, known = 0; /* 1: by "*", 2: by "text/" and a star, 3: by name */

	while (*accept) {
		accept = skip_blanks(accept);
		const char *end = accept + strcspn(accept, ",");
		size_t len = strcspn(accept, ",; \t");
		unsigned specific = 0;
		if (len == strlen(type) && !strncasecmp(accept, type, len))
			specific = 3;
		else if (len == major + 1 && !strncasecmp(accept, type, major) &&
			 accept[major] == '*')
			specific = 2;
		else if (len == 3 && !strncmp(accept, "*/*", 3))
			specific = 1;
		if (specific > known) {
			known = specific;
			quality = quality_of(accept + len, end);
		}
		accept = *end ? end + 1 : end;
	}
	return quality;
}

bool medio_metrics_wants_classic(const char *accept)
{
	return accept && wish(accept, "text/plain") > wish(accept, "application/openmetrics-text");
}

bool medio_metrics_host_ok(const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

	if (!host)
		return true;
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(names); i++) {
		size_t len = strlen(names[i]);
		if (!strncasecmp(host, names[i], len) && (!host[len] || host[len] == ':'))
			return true;
	}
	return false;
}
