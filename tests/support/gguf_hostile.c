/* SPDX-License-Identifier: MIT
 *
 * gguf_hostile.c - see gguf_hostile.h. The classes are those of published holes in GGUF readers:
 * wrapped sizes, trusted counts, nesting, offsets outside the file, division by zero.
 */
#include "support/gguf_hostile.h"

#include <stdio.h>

#include "support/gguf_bytes.h"

enum { F32 = 0, F16 = 1, Q8_0 = 8, Q4_K = 12, F64 = 28 };

/* ---- right ones ---- */

static void valid_empty(buf *b)
{
    put_header(b, 3, 0, 0);
}

static void valid_scalars(buf *b)
{
    put_header(b, 3, 0, 13);
    for (uint32_t type = 0; type < GGUF_TYPE_COUNT; type++) {
        char key[32];
        snprintf(key, sizeof key, "type.%u", type);
        put_key(b, key, type);
        static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        if (type == GGUF_STRING) {
            put_text(b, "text");
        } else if (type == GGUF_ARRAY) {
            put_u32(b, GGUF_STRING);
            put_u64(b, 2);
            put_text(b, "one");
            put_text(b, "");
        } else {
            put_zeros(b, sizes[type]);
        }
    }
}

static void put_model(buf *b, uint32_t version)
{
    put_header(b, version, 2, 2);
    put_key_text(b, "general.architecture", "llama");
    put_key_u32(b, "llama.block_count", 1);
    put_matrix(b, "a.weight", 32, 2, Q8_0, 0);
    put_matrix(b, "b.weight", 4, 4, F32, 96);
    put_padding(b, 32);
    put_zeros(b, 96 + 64);
}

static void valid_v3(buf *b)
{
    put_model(b, 3);
}

static void valid_v2(buf *b)
{
    put_model(b, 2);
}

static void valid_unaligned(buf *b)
{
    put_header(b, 3, 1, 1);
    put_key_u32(b, "general.alignment", 1);
    put_matrix(b, "a", 3, 1, F16, 0);
    put_zeros(b, 6);
}

static void split_part(buf *b)
{
    put_header(b, 3, 0, 3);
    put_key_u16(b, "split.no", 1);
    put_key_u16(b, "split.count", 2);
    put_key(b, "split.tensors.count", GGUF_I32);
    put_u32(b, 0);
}

/* ---- the header ---- */

static void no_bytes(buf *b)
{
    buf_append(b, "", 0);
}

static void other_magic(buf *b)
{
    buf_append_text(b, "PK\003\004 a zip archive");
}

static void cut_header(buf *b)
{
    buf_append_text(b, "GGUF");
    put_u32(b, 3);
    put_u32(b, 1);
}

static void version_1(buf *b)
{
    put_header(b, 1, 0, 0);
}

static void version_99(buf *b)
{
    put_header(b, 99, 0, 0);
}

static void big_endian(buf *b)
{
    put_header(b, 0x03000000, 0, 0);
}

static void too_many_tensors(buf *b)
{
    put_header(b, 3, UINT64_MAX, 0);
}

static void too_many_values(buf *b)
{
    put_header(b, 3, 0, (uint64_t)1 << 61);
}

static void values_beyond_file(buf *b)
{
    put_header(b, 3, 0, 1 << 19);
    put_zeros(b, 64);
}

static void tensors_beyond_file(buf *b)
{
    put_header(b, 3, 1 << 19, 0);
    put_zeros(b, 64);
}

/* ---- metadata ---- */

static void key_length_wraps(buf *b)
{
    put_header(b, 3, 0, 1);
    put_u64(b, UINT64_MAX);
    put_zeros(b, 32);
}

static void key_empty(buf *b)
{
    put_header(b, 3, 0, 1);
    put_key_u32(b, "", 1);
}

static void key_too_long(buf *b)
{
    put_header(b, 3, 0, 1);
    put_u64(b, 65536);
    put_zeros(b, 65536 + 16);
}

static void key_twice(buf *b)
{
    put_header(b, 3, 0, 2);
    put_key_u32(b, "same.key", 1);
    put_key_u32(b, "same.key", 2);
}

static void type_unknown(buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "key", 13);
    put_zeros(b, 16);
}

static void string_beyond_file(buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "key", GGUF_STRING);
    put_u64(b, (uint64_t)1 << 40);
    put_zeros(b, 8);
}

static void put_array(buf *b, uint32_t type, uint64_t n)
{
    put_header(b, 3, 0, 1);
    put_key(b, "key", GGUF_ARRAY);
    put_u32(b, type);
    put_u64(b, n);
    put_zeros(b, 64);
}

static void array_size_wraps(buf *b)
{
    put_array(b, GGUF_U64, ((uint64_t)1 << 61) + 1);
}

static void array_beyond_file(buf *b)
{
    put_array(b, GGUF_U8, 1000);
}

static void string_array_huge(buf *b)
{
    put_array(b, GGUF_STRING, (uint64_t)1 << 60);
}

static void string_array_cut(buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "key", GGUF_ARRAY);
    put_u32(b, GGUF_STRING);
    put_u64(b, 2);
    put_text(b, "one");
    put_u64(b, 100);
}

static void array_of_arrays(buf *b)
{
    put_array(b, GGUF_ARRAY, 1);
}

static void array_of_unknown(buf *b)
{
    put_array(b, 77, 1);
}

static void put_alignment(buf *b, uint32_t alignment)
{
    put_header(b, 3, 1, 1);
    put_key_u32(b, "general.alignment", alignment);
    put_matrix(b, "a", 4, 1, F32, 0);
    put_padding(b, 32);
    put_zeros(b, 16);
}

static void alignment_zero(buf *b)
{
    put_alignment(b, 0);
}

static void alignment_odd(buf *b)
{
    put_alignment(b, 24);
}

static void alignment_huge(buf *b)
{
    put_alignment(b, 0x80000000);
}

static void alignment_text(buf *b)
{
    put_header(b, 3, 0, 1);
    put_key_text(b, "general.alignment", "32");
}

/* ---- tensors ---- */

static void tensor_name_empty(buf *b)
{
    put_header(b, 3, 1, 0);
    put_matrix(b, "", 4, 1, F32, 0);
    put_zeros(b, 64);
}

static void tensor_name_long(buf *b)
{
    char name[129] = {0};
    memset(name, 'x', 128);
    put_header(b, 3, 1, 0);
    put_matrix(b, name, 4, 1, F32, 0);
    put_zeros(b, 64);
}

static void tensor_twice(buf *b)
{
    put_header(b, 3, 2, 0);
    put_matrix(b, "a", 4, 1, F32, 0);
    put_matrix(b, "a", 4, 1, F32, 32);
    put_padding(b, 32);
    put_zeros(b, 64);
}

static void put_dims(buf *b, uint32_t n_dims)
{
    put_header(b, 3, 1, 0);
    put_text(b, "a");
    put_u32(b, n_dims);
    put_zeros(b, 128);
}

static void dims_none(buf *b)
{
    put_dims(b, 0);
}

static void dims_five(buf *b)
{
    put_dims(b, 5);
}

static void put_one(buf *b, uint64_t ne0, uint64_t ne1, uint32_t format, uint64_t offset)
{
    put_header(b, 3, 1, 0);
    put_matrix(b, "a", ne0, ne1, format, offset);
    put_padding(b, 32);
    put_zeros(b, 64);
}

static void dim_zero(buf *b)
{
    put_one(b, 0, 4, F32, 0);
}

static void dim_zero_second(buf *b)
{
    put_one(b, 4, 0, F32, 0);
}

static void dims_wrap(buf *b)
{
    put_one(b, (uint64_t)1 << 33, (uint64_t)1 << 33, F32, 0);
}

static void dims_wrap_to_small(buf *b)
{
    put_one(b, ((uint64_t)1 << 42) + 1, (uint64_t)1 << 22, F32, 0);
}

static void dim_negative(buf *b)
{
    put_one(b, (uint64_t)INT64_MIN, 1, F32, 0);
}

static void bytes_wrap(buf *b)
{
    put_one(b, (uint64_t)1 << 62, 1, F32, 0);
}

static void bytes_wrap_rows(buf *b)
{
    put_one(b, (uint64_t)1 << 31, (uint64_t)1 << 31, F64, 0);
}

static void format_unknown(buf *b)
{
    put_one(b, 4, 1, 255, 0);
}

static void format_removed(buf *b)
{
    put_one(b, 32, 1, 4, 0);
}

static void row_broken(buf *b)
{
    put_one(b, 255, 1, Q4_K, 0);
}

static void offset_unaligned(buf *b)
{
    put_one(b, 4, 1, F32, 1);
}

static void offset_wraps(buf *b)
{
    put_one(b, 4, 1, F32, UINT64_MAX - 31);
}

static void offset_beyond_file(buf *b)
{
    put_one(b, 4, 1, F32, 1 << 20);
}

static void data_cut(buf *b)
{
    put_one(b, 17, 1, F32, 0);
}

static void tensors_overlap(buf *b)
{
    put_header(b, 3, 8, 0);
    for (int i = 0; i < 8; i++) {
        char name[2] = {(char)('a' + i), 0};
        put_matrix(b, name, 128, 1, F32, 0);
    }
    put_padding(b, 32);
    put_zeros(b, 512);
}

/* ---- split sets ---- */

static void split_no_beyond(buf *b)
{
    put_header(b, 3, 0, 2);
    put_key_u16(b, "split.no", 5);
    put_key_u16(b, "split.count", 2);
}

static void split_count_text(buf *b)
{
    put_header(b, 3, 0, 1);
    put_key_text(b, "split.count", "2");
}

#define CASE(name, status, says)                                                                   \
    {                                                                                              \
#name, name, HEARTH_##status, says                                                         \
    }
const gguf_case gguf_cases[] = {
    CASE(valid_empty, OK, ""),
    CASE(valid_scalars, OK, ""),
    CASE(valid_v3, OK, ""),
    CASE(valid_v2, OK, ""),
    CASE(valid_unaligned, OK, ""),
    CASE(split_part, EINVAL, "part 2 of a set of 2"),
    CASE(no_bytes, EFORMAT, "ends inside the header"),
    CASE(other_magic, EFORMAT, "50 4b 03 04"),
    CASE(cut_header, EFORMAT, "ends inside the header"),
    CASE(version_1, EUNSUPPORTED, "version 1"),
    CASE(version_99, EUNSUPPORTED, "version 99"),
    CASE(big_endian, EUNSUPPORTED, "big-endian"),
    CASE(too_many_tensors, EFORMAT, "18446744073709551615 tensors"),
    CASE(too_many_values, EFORMAT, "2305843009213693952 values"),
    CASE(values_beyond_file, EFORMAT, "524288 values"),
    CASE(tensors_beyond_file, EFORMAT, "524288 tensors"),
    CASE(key_length_wraps, EFORMAT, "18446744073709551615 bytes"),
    CASE(key_empty, EFORMAT, "key of 0 bytes"),
    CASE(key_too_long, EFORMAT, "key of 65536 bytes"),
    CASE(key_twice, EFORMAT, "'same.key' is there twice"),
    CASE(type_unknown, EFORMAT, "type 13"),
    CASE(string_beyond_file, EFORMAT, "1099511627776 bytes"),
    CASE(array_size_wraps, EFORMAT, "2305843009213693953 u64"),
    CASE(array_beyond_file, EFORMAT, "1000 u8"),
    CASE(string_array_huge, EFORMAT, "1152921504606846976 strings"),
    CASE(string_array_cut, EFORMAT, "100 bytes wanted"),
    CASE(array_of_arrays, EFORMAT, "arrays"),
    CASE(array_of_unknown, EFORMAT, "type 77"),
    CASE(alignment_zero, EFORMAT, "power of two"),
    CASE(alignment_odd, EFORMAT, "is 24"),
    CASE(alignment_huge, EFORMAT, "outside the file"),
    CASE(alignment_text, EFORMAT, "general.alignment"),
    CASE(tensor_name_empty, EFORMAT, "name of 0 bytes"),
    CASE(tensor_name_long, EFORMAT, "name of 128 bytes"),
    CASE(tensor_twice, EFORMAT, "'a' is there twice"),
    CASE(dims_none, EFORMAT, "0 dimensions"),
    CASE(dims_five, EFORMAT, "5 dimensions"),
    CASE(dim_zero, EFORMAT, "dimension 0 is 0"),
    CASE(dim_zero_second, EFORMAT, "dimension 1 is 0"),
    CASE(dims_wrap, EFORMAT, "dimension 1 is 8589934592"),
    CASE(dims_wrap_to_small, EFORMAT, "dimension 1 is 4194304"),
    CASE(dim_negative, EFORMAT, "dimension 0 is 9223372036854775808"),
    CASE(bytes_wrap, EFORMAT, "more bytes than can be counted"),
    CASE(bytes_wrap_rows, EFORMAT, "more bytes than can be counted"),
    CASE(format_unknown, EUNSUPPORTED, "format number 255"),
    CASE(format_removed, EUNSUPPORTED, "format number 4"),
    CASE(row_broken, EFORMAT, "row of 255 elements"),
    CASE(offset_unaligned, EFORMAT, "offset 1 is no multiple"),
    CASE(offset_wraps, EFORMAT, "outside the file"),
    CASE(offset_beyond_file, EFORMAT, "data offset 1048576"),
    CASE(data_cut, EFORMAT, "68 bytes at data offset 0"),
    CASE(tensors_overlap, EFORMAT, "overlap"),
    CASE(split_no_beyond, EFORMAT, "part 6 of a set of 2"),
    CASE(split_count_text, EFORMAT, "'split.count'"),
};
const size_t gguf_n_cases = sizeof gguf_cases / sizeof *gguf_cases;
