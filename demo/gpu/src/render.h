/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scene, drawn by a GPU into memory that the processor reads. */
#ifndef WAVES_RENDER_H
#define WAVES_RENDER_H

#include "gpu.h"

#define RENDER_MAX 4096u    /* pixels in each direction, that every device can do */

struct render {
    struct gpu *gpu;
    unsigned width, height;
    VkSampleCountFlagBits samples;
    struct gpu_image drawn, depth, picture, texture;    /* drawn: if there is more than one sample for each pixel */
    struct gpu_buffer vertices, indices, view, pixels;
    VkSampler sampler;
    VkRenderPass pass;
    VkFramebuffer framebuffer;
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool set_pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline sky, cloth, water;
    VkCommandBuffer commands;
};

/*
 * What there is to be for the sky, then all else: most of what takes long.  samples: 1 or 4, which every device can do.
 * False with a message; render_free() is called in any case, and before gpu_close().
 */
bool render_begin(struct render *r, struct gpu *gpu, unsigned width, unsigned height, unsigned samples);
bool render_make(struct render *r);
void render_free(struct render *r);

/*
 * Draws frame i of n, or its sky alone, and waits for it.  The picture is in r->pixels.map then: red, green, blue, 255, line
 * by line, and nothing between lines.
 */
bool render_frame(struct render *r, unsigned i, unsigned n);
bool render_sky(struct render *r, unsigned i, unsigned n);      /* once: each has commands of its own */

#endif
