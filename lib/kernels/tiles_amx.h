/* SPDX-License-Identifier: MIT
 *
 * tiles_amx.h - the shape of the matrix unit's eight tiles, as LDTILECFG reads it.
 */
#ifndef HEARTH_KERNELS_TILES_AMX_H
#define HEARTH_KERNELS_TILES_AMX_H

#include <immintrin.h>
#include <stdint.h>

typedef struct tile_config {
    uint8_t palette, start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

_Static_assert(sizeof(tile_config) == 64, "as LDTILECFG reads it");

/* Eight tiles of 16 rows of 64 bytes, until _tile_release. */
static inline void open_tiles(void)
{
    tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
}

#endif
