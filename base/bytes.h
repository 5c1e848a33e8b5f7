/* bytes.h - big-endian fields (SCSI, MAM) and little-endian ones (SIMH images) at unaligned places.
 */
#ifndef RSM_BASE_BYTES_H
#define RSM_BASE_BYTES_H

#include <stdint.h>

static inline uint16_t rsm_get_be16(const void *at)
{
	const uint8_t *p = at;

	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t rsm_get_be24(const void *at)
{
	const uint8_t *p = at;

	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t rsm_get_be32(const void *at)
{
	const uint8_t *p = at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t rsm_get_be64(const void *at)
{
	return (uint64_t)rsm_get_be32(at) << 32 | rsm_get_be32((const uint8_t *)at + 4);
}

static inline uint32_t rsm_get_le32(const void *at)
{
	const uint8_t *p = at;

	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline void rsm_put_be16(void *at, uint16_t value)
{
	uint8_t *p = at;

	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void rsm_put_be24(void *at, uint32_t value)
{
	uint8_t *p = at;

	p[0] = (uint8_t)(value >> 16);
	p[1] = (uint8_t)(value >> 8);
	p[2] = (uint8_t)value;
}

static inline void rsm_put_be32(void *at, uint32_t value)
{
	uint8_t *p = at;

	p[0] = (uint8_t)(value >> 24);
	p[1] = (uint8_t)(value >> 16);
	p[2] = (uint8_t)(value >> 8);
	p[3] = (uint8_t)value;
}

static inline void rsm_put_be64(void *at, uint64_t value)
{
	rsm_put_be32(at, (uint32_t)(value >> 32));
	rsm_put_be32((uint8_t *)at + 4, (uint32_t)value);
}

static inline void rsm_put_le32(void *at, uint32_t value)
{
	uint8_t *p = at;

	p[3] = (uint8_t)(value >> 24);
	p[2] = (uint8_t)(value >> 16);
	p[1] = (uint8_t)(value >> 8);
	p[0] = (uint8_t)value;
}

#endif
