/* SPDX-License-Identifier: MIT
 *
 * model_files.h - small GGUF files and folders of them, for tests of what finds and keeps models.
 */
#ifndef HEARTH_TESTS_MODEL_FILES_H
#define HEARTH_TESTS_MODEL_FILES_H

#include <stddef.h>
#include <stdint.h>

/* Makes the folder path, with all above it. */
void files_make_folder(const char *path);
/* "FOLDER/NAME", with the folders on the way made; borrowed until eight calls later. */
const char *files_path(const char *folder, const char *name);
void files_write(const char *path, const void *bytes, size_t n);
void files_write_text(const char *path, const char *text);

/* A model with random weights of width n_embd (a multiple of 32). */
void files_write_model(const char *path, uint32_t n_embd);
/* It in n parts: "STEM-0000?-of-0000N.gguf" for a path "STEM.gguf". */
void files_write_split(const char *stem, unsigned n);
/* A projector of images (general.architecture clip) to width n_embd. */
void files_write_projector(const char *path, uint32_t n_embd);
/* A header alone, of an unknown architecture. */
void files_write_unknown(const char *path);

#endif
