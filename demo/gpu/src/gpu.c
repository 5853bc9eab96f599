/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"

/* An emulated machine that compiles shaders takes its time; a device that is dead takes for ever. */
#define PATIENCE 600    /* seconds */

static const char *result_name(VkResult result)
{
#define NAME(x) case x: return #x
    switch (result) {
    NAME(VK_NOT_READY);
    NAME(VK_TIMEOUT);
    NAME(VK_INCOMPLETE);
    NAME(VK_ERROR_OUT_OF_HOST_MEMORY);
    NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY);
    NAME(VK_ERROR_INITIALIZATION_FAILED);
    NAME(VK_ERROR_DEVICE_LOST);
    NAME(VK_ERROR_MEMORY_MAP_FAILED);
    NAME(VK_ERROR_LAYER_NOT_PRESENT);
    NAME(VK_ERROR_EXTENSION_NOT_PRESENT);
    NAME(VK_ERROR_FEATURE_NOT_PRESENT);
    NAME(VK_ERROR_INCOMPATIBLE_DRIVER);
    NAME(VK_ERROR_TOO_MANY_OBJECTS);
    NAME(VK_ERROR_FORMAT_NOT_SUPPORTED);
    NAME(VK_ERROR_FRAGMENTED_POOL);
    NAME(VK_ERROR_UNKNOWN);
    NAME(VK_ERROR_OUT_OF_POOL_MEMORY);
    default:
        return "a result without a name here";
    }
#undef NAME
}

bool gpu_succeeded(const char *call, VkResult result)
{
    if (result != VK_SUCCESS)
        fprintf(stderr, "waves: %s: %s (%d)\n", call, result_name(result), result);
    return result == VK_SUCCESS;
}

/* The first family of queues that can draw, or -1 */
static int64_t drawing_family(VkPhysicalDevice physical)
{
    VkQueueFamilyProperties families[16];
    uint32_t n = 16;

    vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, families);
    for (uint32_t i = 0; i < n; i++)
        if (families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT)
            return i;
    return -1;
}

static enum gpu_found choose(struct gpu *gpu, const char *name)
{
    VkPhysicalDevice devices[16];
    uint32_t n = 16;
    VkResult result = vkEnumeratePhysicalDevices(gpu->instance, &n, devices);

    /* The loader says so if there are drivers and none of them has a device. */
    if (result == VK_ERROR_INITIALIZATION_FAILED)
        n = 0;
    else if (result != VK_INCOMPLETE && !gpu_succeeded("vkEnumeratePhysicalDevices", result))
        return GPU_FAILED;
    for (uint32_t i = 0; i < n; i++) {
        vkGetPhysicalDeviceProperties(devices[i], &gpu->properties);
        if ((!name || strstr(gpu->properties.deviceName, name)) && gpu->properties.apiVersion >= VK_API_VERSION_1_1 &&
            drawing_family(devices[i]) >= 0) {
            gpu->physical = devices[i];
            return GPU_FOUND;
        }
    }
    if (!n)
        fprintf(stderr, "waves: there is no Vulkan device\n");
    else
        fprintf(stderr, "waves: no Vulkan 1.1 device that draws%s%s%s; there are:\n", name ? " has \"" : "", name ? name : "",
                name ? "\" in its name" : "");
    for (uint32_t i = 0; i < n; i++) {
        vkGetPhysicalDeviceProperties(devices[i], &gpu->properties);
        fprintf(stderr, "waves:   %s, Vulkan %u.%u\n", gpu->properties.deviceName,
                VK_API_VERSION_MAJOR(gpu->properties.apiVersion), VK_API_VERSION_MINOR(gpu->properties.apiVersion));
    }
    return GPU_NONE;
}

enum gpu_found gpu_open(struct gpu *gpu, const char *name)
{
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = "waves", .apiVersion = VK_API_VERSION_1_1,
    };
    const VkInstanceCreateInfo instance = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application,
    };
    const float priority = 1;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
    };
    VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO };
    const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    VkResult result;
    enum gpu_found found;

    memset(gpu, 0, sizeof(*gpu));
    result = vkCreateInstance(&instance, NULL, &gpu->instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        gpu->instance = VK_NULL_HANDLE;
        fprintf(stderr, "waves: there is no Vulkan driver (vkCreateInstance: %s)\n", result_name(result));
        return GPU_NONE;
    }
    if (!gpu_succeeded("vkCreateInstance", result)) {
        gpu->instance = VK_NULL_HANDLE;
        return GPU_FAILED;
    }
    found = choose(gpu, name);
    if (found != GPU_FOUND)
        return found;
    vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
    queue.queueFamilyIndex = pool.queueFamilyIndex = drawing_family(gpu->physical);
    if (!VK(vkCreateDevice, gpu->physical, &device, NULL, &gpu->device)) {
        gpu->device = VK_NULL_HANDLE;
        return GPU_FAILED;
    }
    vkGetDeviceQueue(gpu->device, queue.queueFamilyIndex, 0, &gpu->queue);
    if (!VK(vkCreateCommandPool, gpu->device, &pool, NULL, &gpu->pool) ||
        !VK(vkCreateFence, gpu->device, &fence, NULL, &gpu->fence))
        return GPU_FAILED;
    return GPU_FOUND;
}

void gpu_close(struct gpu *gpu)
{
    if (gpu->device) {
        vkDestroyFence(gpu->device, gpu->fence, NULL);
        vkDestroyCommandPool(gpu->device, gpu->pool, NULL);
        vkDestroyDevice(gpu->device, NULL);
    }
    if (gpu->instance)
        vkDestroyInstance(gpu->instance, NULL);
    memset(gpu, 0, sizeof(*gpu));
}

/* Memory ----------------------------------------------------------------- */

static bool allocate(struct gpu *gpu, const VkMemoryRequirements *needs, VkMemoryPropertyFlags must,
                     VkMemoryPropertyFlags should, VkDeviceMemory *memory)
{
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs->size, .memoryTypeIndex = UINT32_MAX,
    };

    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
        VkMemoryPropertyFlags has = gpu->memory.memoryTypes[i].propertyFlags;

        if (!(needs->memoryTypeBits & 1u << i) || (has & must) != must)
            continue;
        if ((has & should) == should) {
            info.memoryTypeIndex = i;
            break;
        }
        if (info.memoryTypeIndex == UINT32_MAX)
            info.memoryTypeIndex = i;
    }
    if (info.memoryTypeIndex == UINT32_MAX) {
        fprintf(stderr, "waves: the device has no memory of the kind that is needed (properties %#x, types %#x)\n", must,
                needs->memoryTypeBits);
        return false;
    }
    return VK(vkAllocateMemory, gpu->device, &info, NULL, memory);
}

bool gpu_buffer_make(struct gpu *gpu, struct gpu_buffer *b, size_t size, VkBufferUsageFlags usage, bool read)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = usage,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VkMemoryRequirements needs;

    *b = (struct gpu_buffer){ .size = size };
    if (!VK(vkCreateBuffer, gpu->device, &info, NULL, &b->buffer)) {
        b->buffer = VK_NULL_HANDLE;
        return false;
    }
    vkGetBufferMemoryRequirements(gpu->device, b->buffer, &needs);
    if (!allocate(gpu, &needs, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                  read ? VK_MEMORY_PROPERTY_HOST_CACHED_BIT : 0, &b->memory)) {
        b->memory = VK_NULL_HANDLE;
        return false;
    }
    return VK(vkBindBufferMemory, gpu->device, b->buffer, b->memory, 0) &&
           VK(vkMapMemory, gpu->device, b->memory, 0, VK_WHOLE_SIZE, 0, &b->map);
}

void gpu_buffer_free(struct gpu *gpu, struct gpu_buffer *b)
{
    if (!gpu->device)
        return;
    vkDestroyBuffer(gpu->device, b->buffer, NULL);
    vkFreeMemory(gpu->device, b->memory, NULL);     /* and its mapping */
    memset(b, 0, sizeof(*b));
}

bool gpu_image_make(struct gpu *gpu, struct gpu_image *i, const VkImageCreateInfo *info, VkImageAspectFlags aspect)
{
    VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO, .viewType = VK_IMAGE_VIEW_TYPE_2D, .format = info->format,
        .subresourceRange = { .aspectMask = aspect, .levelCount = info->mipLevels, .layerCount = 1 },
    };
    VkMemoryRequirements needs;

    *i = (struct gpu_image){ 0 };
    if (!VK(vkCreateImage, gpu->device, info, NULL, &i->image)) {
        i->image = VK_NULL_HANDLE;
        return false;
    }
    vkGetImageMemoryRequirements(gpu->device, i->image, &needs);
    if (!allocate(gpu, &needs, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &i->memory)) {
        i->memory = VK_NULL_HANDLE;
        return false;
    }
    view.image = i->image;
    if (!VK(vkBindImageMemory, gpu->device, i->image, i->memory, 0))
        return false;
    if (!VK(vkCreateImageView, gpu->device, &view, NULL, &i->view)) {
        i->view = VK_NULL_HANDLE;
        return false;
    }
    return true;
}

void gpu_image_free(struct gpu *gpu, struct gpu_image *i)
{
    if (!gpu->device)
        return;
    vkDestroyImageView(gpu->device, i->view, NULL);
    vkDestroyImage(gpu->device, i->image, NULL);
    vkFreeMemory(gpu->device, i->memory, NULL);
    memset(i, 0, sizeof(*i));
}

/* Commands --------------------------------------------------------------- */

bool gpu_begin(struct gpu *gpu, VkCommandBuffer *cmd, VkCommandBufferUsageFlags flags)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = gpu->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, .flags = flags };

    /* All of them are freed with the pool. */
    return VK(vkAllocateCommandBuffers, gpu->device, &info, cmd) && VK(vkBeginCommandBuffer, *cmd, &begin);
}

bool gpu_run(struct gpu *gpu, VkCommandBuffer cmd)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &cmd,
    };

    return VK(vkResetFences, gpu->device, 1, &gpu->fence) &&
           VK(vkQueueSubmit, gpu->queue, 1, &submit, gpu->fence) &&
           VK(vkWaitForFences, gpu->device, 1, &gpu->fence, VK_TRUE, PATIENCE * UINT64_C(1000000000));
}
