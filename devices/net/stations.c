/* SPDX-License-Identifier: BSD-3-Clause */
#include "stations.h"

#include <stdbool.h>
#include <string.h>

#include <medio/device.h>

#define SWEEP_NS 1000000000u

static struct station *bucket_of(struct stations *s, unsigned vlan, const uint8_t mac[6])
{
	uint64_t key = (medio_get_le(mac, 6) | (uint64_t)vlan << 48) ^ s->seed;

	key *= UINT64_C(0x9e3779b97f4a7c15);
	key ^= key >> 29;
	key *= UINT64_C(0xbf58476d1ce4e5b9);
	return s->at[(key >> 40) & (STATIONS_BUCKETS - 1)];
}

static struct station *find(struct stations *s, unsigned vlan, const uint8_t mac[6])
{
	struct station *bucket = bucket_of(s, vlan, mac);

	for (unsigned i = 0; i < STATIONS_WAYS; i++) {
		if (bucket[i].owner && bucket[i].vlan == vlan && memcmp(bucket[i].mac, mac, 6) == 0)
			return &bucket[i];
	}
	return NULL;
}

static bool is_old(const struct station *station, uint64_t now)
{
	return now - station->seen > STATIONS_AGE_NS;
}

static void forget(struct station *station)
{
	if (station->owner)
		station->owner->stations--;
	station->owner = NULL;
}

static void sweep(struct stations *s, uint64_t now)
{
	struct station *all = s->at[0];

	s->swept = now;
	for (unsigned i = 0; i < STATIONS_BUCKETS * STATIONS_WAYS; i++) {
		if (all[i].owner && is_old(&all[i], now))
			forget(&all[i]);
	}
}

/* The oldest of a bucket: of this owner's, or if NULL of all. */
static struct station *oldest_of(struct station *bucket, const struct station_owner *owner)
{
	struct station *oldest = NULL;

	for (unsigned i = 0; i < STATIONS_WAYS; i++) {
		if (owner && bucket[i].owner != owner)
			continue;
		if (!oldest || bucket[i].seen < oldest->seen)
			oldest = &bucket[i];
	}
	return oldest;
}

/* An entry for a new address: a free one, else one of the owner's, else the oldest. */
static struct station *make_room(
	struct stations *s, const struct station_owner *owner, unsigned vlan, const uint8_t mac[6])
{
	struct station *bucket = bucket_of(s, vlan, mac);

	for (unsigned i = 0; i < STATIONS_WAYS; i++) {
		if (!bucket[i].owner)
			return &bucket[i];
	}
	struct station *station = oldest_of(bucket, owner);
	if (!station)
		station = oldest_of(bucket, NULL);
	forget(station);
	return station;
}

struct station_owner *stations_find(
	struct stations *s, unsigned vlan, const uint8_t mac[6], uint64_t now)
{
	const struct station *station = find(s, vlan, mac);

	return station && !is_old(station, now) ? station->owner : NULL;
}

/* An owner that has used up its share learns no more until some have aged: it is its own loss, since what is
 * not learned is sent to all. */
void stations_learn(struct stations *s, struct station_owner *owner, unsigned vlan,
	const uint8_t mac[6], uint64_t now)
{
	if (mac[0] & 1)
		return;
	struct station *station = find(s, vlan, mac);
	if (!station || station->owner != owner) {
		if (owner->stations >= STATIONS_SHARE && now - s->swept > SWEEP_NS)
			sweep(s, now);
		if (owner->stations >= STATIONS_SHARE)
			return;
		if (station)
			forget(station);
		else
			station = make_room(s, owner, vlan, mac);
		memcpy(station->mac, mac, 6);
		station->vlan = (uint16_t)vlan;
		station->owner = owner;
		owner->stations++;
	}
	station->seen = now;
}

void stations_forget(struct stations *s, const struct station_owner *owner)
{
	struct station *all = s->at[0];

	for (unsigned i = 0; i < STATIONS_BUCKETS * STATIONS_WAYS; i++) {
		if (all[i].owner == owner)
			forget(&all[i]);
	}
}
