/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of Vulkan's set-up as a program needs that shows nothing: a device, one queue, memory. */
#ifndef WAVES_GPU_H
#define WAVES_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vulkan/vulkan.h>

/* Calls fn; true if it succeeded, else a message has named it and its result. */
#define VK(fn, ...) gpu_succeeded(#fn, fn(__VA_ARGS__))
bool gpu_succeeded(const char *call, VkResult result);

struct gpu {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkDevice device;
    VkQueue queue;
    VkCommandPool pool;
    VkFence fence;
};

enum gpu_found {
    GPU_FOUND,
    GPU_FAILED,
    GPU_NONE,       /* no device at all, or none of that name */
};

/*
 * The first device that can draw, or the first of those that has the text in its name.  A message has said why if it
 * is not GPU_FOUND; gpu_close() is called in any case.
 */
enum gpu_found gpu_open(struct gpu *gpu, const char *name);
void gpu_close(struct gpu *gpu);

struct gpu_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *map;      /* for as long as there is the buffer */
    size_t size;
};

/*
 * Memory that both sides see, mapped and coherent.  read: the processor reads it; it is cached then if there is such
 * memory.  False with a message; what there is of it is freed by gpu_buffer_free(), as always.
 */
bool gpu_buffer_make(struct gpu *gpu, struct gpu_buffer *b, size_t size, VkBufferUsageFlags usage, bool read);
void gpu_buffer_free(struct gpu *gpu, struct gpu_buffer *b);

struct gpu_image {
    VkImage image;
    VkDeviceMemory memory;
    VkImageView view;
};

/* In the device's own memory */
bool gpu_image_make(struct gpu *gpu, struct gpu_image *i, const VkImageCreateInfo *info, VkImageAspectFlags aspect);
void gpu_image_free(struct gpu *gpu, struct gpu_image *i);

/* A command buffer that has begun. */
bool gpu_begin(struct gpu *gpu, VkCommandBuffer *cmd, VkCommandBufferUsageFlags flags);
/* Submits, and waits until it is done. */
bool gpu_run(struct gpu *gpu, VkCommandBuffer cmd);

#endif
