/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include <string.h>

#include "render.h"
#include "scene.h"
#include "texture.h"

/* made by glslangValidator from ../shaders */
#include "sky.vert.h"
#include "sky.frag.h"
#include "cloth.vert.h"
#include "cloth.frag.h"
#include "water.vert.h"
#include "water.frag.h"

#define COLOUR VK_FORMAT_R8G8B8A8_UNORM
#define DEPTH  VK_FORMAT_D16_UNORM

/* Images ----------------------------------------------------------------- */

static bool make_target(struct render *r, struct gpu_image *i, VkFormat format, unsigned samples, VkImageUsageFlags usage)
{
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO, .imageType = VK_IMAGE_TYPE_2D, .format = format,
        .extent = { r->width, r->height, 1 }, .mipLevels = 1, .arrayLayers = 1, .samples = samples,
        .tiling = VK_IMAGE_TILING_OPTIMAL, .usage = usage, .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };

    return gpu_image_make(r->gpu, i, &info, format == DEPTH ? VK_IMAGE_ASPECT_DEPTH_BIT : VK_IMAGE_ASPECT_COLOR_BIT);
}

static bool make_targets(struct render *r)
{
    const bool resolve = r->samples != VK_SAMPLE_COUNT_1_BIT;
    const VkAttachmentDescription attachments[] = {
        {
            .format = COLOUR, .samples = r->samples, .loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .storeOp = resolve ? VK_ATTACHMENT_STORE_OP_DONT_CARE : VK_ATTACHMENT_STORE_OP_STORE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE, .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
            .finalLayout = resolve ? VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL : VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        }, {
            .format = DEPTH, .samples = r->samples, .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
            .storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE, .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED, .finalLayout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL,
        }, {
            .format = COLOUR, .samples = VK_SAMPLE_COUNT_1_BIT, .loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE, .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED, .finalLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        },
    };
    const VkAttachmentReference colour = { 0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL };
    const VkAttachmentReference depth = { 1, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL };
    const VkAttachmentReference resolved = { 2, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL };
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS, .colorAttachmentCount = 1, .pColorAttachments = &colour,
        .pDepthStencilAttachment = &depth, .pResolveAttachments = resolve ? &resolved : NULL,
    };
    const VkPipelineStageFlags drawing = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT |
                                         VK_PIPELINE_STAGE_EARLY_FRAGMENT_TESTS_BIT | VK_PIPELINE_STAGE_LATE_FRAGMENT_TESTS_BIT;
    const VkSubpassDependency dependencies[] = {
        {
            /* the frame before: drawn, and copied */
            .srcSubpass = VK_SUBPASS_EXTERNAL, .dstSubpass = 0, .srcStageMask = drawing | VK_PIPELINE_STAGE_TRANSFER_BIT,
            .dstStageMask = drawing,
            .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT | VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT | VK_ACCESS_COLOR_ATTACHMENT_READ_BIT |
                             VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_WRITE_BIT | VK_ACCESS_DEPTH_STENCIL_ATTACHMENT_READ_BIT,
        }, {
            .srcSubpass = 0, .dstSubpass = VK_SUBPASS_EXTERNAL,
            .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT, .dstStageMask = VK_PIPELINE_STAGE_TRANSFER_BIT,
            .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT, .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
        },
    };
    const VkRenderPassCreateInfo pass = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO, .attachmentCount = resolve ? 3 : 2, .pAttachments = attachments,
        .subpassCount = 1, .pSubpasses = &subpass, .dependencyCount = 2, .pDependencies = dependencies,
    };
    VkImageView views[3];
    VkFramebufferCreateInfo framebuffer = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO, .attachmentCount = pass.attachmentCount, .pAttachments = views,
        .width = r->width, .height = r->height, .layers = 1,
    };

    if (!make_target(r, &r->picture, COLOUR, VK_SAMPLE_COUNT_1_BIT,
                     VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT) ||
        !make_target(r, &r->depth, DEPTH, r->samples, VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT) ||
        (resolve && !make_target(r, &r->drawn, COLOUR, r->samples, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT)))
        return false;
    views[0] = resolve ? r->drawn.view : r->picture.view;
    views[1] = r->depth.view;
    views[2] = r->picture.view;
    if (!VK(vkCreateRenderPass, r->gpu->device, &pass, NULL, &r->pass))
        return false;
    framebuffer.renderPass = r->pass;
    return VK(vkCreateFramebuffer, r->gpu->device, &framebuffer, NULL, &r->framebuffer);
}

/* Through a buffer that is gone afterwards */
static bool upload_texture(struct render *r, struct gpu_buffer *staging)
{
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO, .imageType = VK_IMAGE_TYPE_2D, .format = COLOUR,
        .extent = { TEXTURE_WIDTH, TEXTURE_HEIGHT, 1 }, .mipLevels = TEXTURE_LEVELS, .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT, .tiling = VK_IMAGE_TILING_OPTIMAL,
        .usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT, .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VkImageMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER, .dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .oldLayout = VK_IMAGE_LAYOUT_UNDEFINED, .newLayout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED, .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .subresourceRange = { .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = TEXTURE_LEVELS, .layerCount = 1 },
    };
    VkBufferImageCopy copies[TEXTURE_LEVELS] = { 0 };
    VkDeviceSize at = 0;
    VkCommandBuffer cmd;

    if (!gpu_buffer_make(r->gpu, staging, 4 * TEXTURE_PIXELS, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, false) ||
        !gpu_image_make(r->gpu, &r->texture, &info, VK_IMAGE_ASPECT_COLOR_BIT) ||
        !gpu_begin(r->gpu, &cmd, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
        return false;
    texture_make(staging->map);
    for (unsigned i = 0; i < TEXTURE_LEVELS; i++) {
        copies[i].bufferOffset = at;
        copies[i].imageSubresource = (VkImageSubresourceLayers){ VK_IMAGE_ASPECT_COLOR_BIT, i, 0, 1 };
        copies[i].imageExtent = (VkExtent3D){ TEXTURE_WIDTH >> i, TEXTURE_HEIGHT >> i, 1 };
        at += 4 * (TEXTURE_WIDTH >> i) * (TEXTURE_HEIGHT >> i);
    }
    barrier.image = r->texture.image;
    vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1,
                         &barrier);
    vkCmdCopyBufferToImage(cmd, staging->buffer, r->texture.image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, TEXTURE_LEVELS,
                           copies);
    barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT;
    barrier.oldLayout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
    barrier.newLayout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;
    vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, 0, 0, NULL, 0, NULL, 1,
                         &barrier);
    return VK(vkEndCommandBuffer, cmd) && gpu_run(r->gpu, cmd);
}

static bool make_texture(struct render *r)
{
    const VkSamplerCreateInfo sampler = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO, .magFilter = VK_FILTER_LINEAR, .minFilter = VK_FILTER_LINEAR,
        .mipmapMode = VK_SAMPLER_MIPMAP_MODE_LINEAR, .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE, .addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .mipLodBias = -0.5f, .maxLod = TEXTURE_LEVELS,
    };
    struct gpu_buffer staging = { 0 };
    bool ok = upload_texture(r, &staging);

    gpu_buffer_free(r->gpu, &staging);
    return ok && VK(vkCreateSampler, r->gpu->device, &sampler, NULL, &r->sampler);
}

/* What shaders see ------------------------------------------------------- */

static bool make_set(struct render *r)
{
    const VkDescriptorSetLayoutBinding bindings[] = {
        { 0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1, VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, NULL },
        { 1, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1, VK_SHADER_STAGE_FRAGMENT_BIT, NULL },
    };
    const VkDescriptorSetLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 2, .pBindings = bindings,
    };
    const VkDescriptorPoolSize sizes[] = {
        { VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1 }, { VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1 },
    };
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 2, .pPoolSizes = sizes,
    };
    VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorSetCount = 1, .pSetLayouts = &r->set_layout,
    };
    const VkDescriptorBufferInfo view = { r->view.buffer, 0, VK_WHOLE_SIZE };
    VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstBinding = 0, .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, .pBufferInfo = &view,
    };

    if (!VK(vkCreateDescriptorSetLayout, r->gpu->device, &layout, NULL, &r->set_layout) ||
        !VK(vkCreateDescriptorPool, r->gpu->device, &pool, NULL, &r->set_pool))
        return false;
    allocate.descriptorPool = r->set_pool;
    if (!VK(vkAllocateDescriptorSets, r->gpu->device, &allocate, &r->set))
        return false;
    write.dstSet = r->set;
    vkUpdateDescriptorSets(r->gpu->device, 1, &write, 0, NULL);
    return true;
}

/* What the sky does not look at: so it may come when that has been drawn. */
static void add_texture(struct render *r)
{
    const VkDescriptorImageInfo texture = { r->sampler, r->texture.view, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL };
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = r->set, .dstBinding = 1, .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, .pImageInfo = &texture,
    };

    vkUpdateDescriptorSets(r->gpu->device, 1, &write, 0, NULL);
}

/* Pipelines -------------------------------------------------------------- */

enum kind { SKY, CLOTH, WATER };

static bool make_shader(struct render *r, VkShaderModule *module, const uint32_t *code, size_t size)
{
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = code,
    };

    return VK(vkCreateShaderModule, r->gpu->device, &info, NULL, module);
}

static bool make_pipeline(struct render *r, VkPipeline *pipeline, enum kind kind, const VkShaderModule modules[2])
{
    const VkPipelineShaderStageCreateInfo stages[] = {
        {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_VERTEX_BIT,
            .module = modules[0], .pName = "main",
        }, {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_FRAGMENT_BIT,
            .module = modules[1], .pName = "main",
        },
    };
    const VkVertexInputBindingDescription binding = { 0, sizeof(struct scene_vertex), VK_VERTEX_INPUT_RATE_VERTEX };
    const VkVertexInputAttributeDescription attributes[] = {
        { 0, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct scene_vertex, position) },
        { 1, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct scene_vertex, normal) },
        { 2, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct scene_vertex, uv) },
    };
    const VkPipelineVertexInputStateCreateInfo input = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
        .vertexBindingDescriptionCount = kind != SKY, .pVertexBindingDescriptions = &binding,
        .vertexAttributeDescriptionCount = kind == SKY ? 0 : kind == WATER ? 2 : 3, .pVertexAttributeDescriptions = attributes,
    };
    const VkPipelineInputAssemblyStateCreateInfo assembly = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO, .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
    };
    const VkViewport viewport = { 0, 0, r->width, r->height, 0, 1 };
    const VkRect2D scissor = { { 0, 0 }, { r->width, r->height } };
    const VkPipelineViewportStateCreateInfo viewports = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO, .viewportCount = 1, .pViewports = &viewport,
        .scissorCount = 1, .pScissors = &scissor,
    };
    const VkPipelineRasterizationStateCreateInfo raster = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO, .polygonMode = VK_POLYGON_MODE_FILL,
        .cullMode = VK_CULL_MODE_NONE, .frontFace = VK_FRONT_FACE_COUNTER_CLOCKWISE, .lineWidth = 1,
    };
    const VkPipelineMultisampleStateCreateInfo multisample = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO, .rasterizationSamples = r->samples,
    };
    const VkPipelineDepthStencilStateCreateInfo depth = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO, .depthTestEnable = kind != SKY,
        .depthWriteEnable = kind != SKY, .depthCompareOp = VK_COMPARE_OP_LESS,
    };
    /* water leaves some of what is below; the picture's own alpha stays 1 */
    const VkPipelineColorBlendAttachmentState blend = {
        .blendEnable = kind == WATER, .srcColorBlendFactor = VK_BLEND_FACTOR_ONE,
        .dstColorBlendFactor = VK_BLEND_FACTOR_SRC_ALPHA, .colorBlendOp = VK_BLEND_OP_ADD,
        .srcAlphaBlendFactor = VK_BLEND_FACTOR_ZERO, .dstAlphaBlendFactor = VK_BLEND_FACTOR_ONE,
        .alphaBlendOp = VK_BLEND_OP_ADD, .colorWriteMask = 0xf,
    };
    const VkPipelineColorBlendStateCreateInfo blends = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO, .attachmentCount = 1, .pAttachments = &blend,
    };
    const VkGraphicsPipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO, .stageCount = 2, .pStages = stages,
        .pVertexInputState = &input, .pInputAssemblyState = &assembly, .pViewportState = &viewports,
        .pRasterizationState = &raster, .pMultisampleState = &multisample, .pDepthStencilState = &depth,
        .pColorBlendState = &blends, .layout = r->layout, .renderPass = r->pass, .basePipelineIndex = -1,
    };

    return VK(vkCreateGraphicsPipelines, r->gpu->device, VK_NULL_HANDLE, 1, &info, NULL, pipeline);
}

static bool make_layout(struct render *r)
{
    const VkPushConstantRange push = { VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(float) };
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &r->set_layout,
        .pushConstantRangeCount = 1, .pPushConstantRanges = &push,
    };

    return VK(vkCreatePipelineLayout, r->gpu->device, &layout, NULL, &r->layout);
}

static bool make_pipelines(struct render *r, enum kind from, enum kind to)
{
    const struct {
        VkPipeline *pipeline;
        const uint32_t *code[2];
        size_t size[2];
    } all[] = {
        [SKY] = { &r->sky, { sky_vert, sky_frag }, { sizeof(sky_vert), sizeof(sky_frag) } },
        [CLOTH] = { &r->cloth, { cloth_vert, cloth_frag }, { sizeof(cloth_vert), sizeof(cloth_frag) } },
        [WATER] = { &r->water, { water_vert, water_frag }, { sizeof(water_vert), sizeof(water_frag) } },
    };
    bool ok = true;

    for (unsigned k = from; ok && k <= to; k++) {
        VkShaderModule modules[2] = { VK_NULL_HANDLE, VK_NULL_HANDLE };

        ok = make_shader(r, &modules[0], all[k].code[0], all[k].size[0]) &&
             make_shader(r, &modules[1], all[k].code[1], all[k].size[1]) &&
             make_pipeline(r, all[k].pipeline, k, modules);
        vkDestroyShaderModule(r->gpu->device, modules[0], NULL);
        vkDestroyShaderModule(r->gpu->device, modules[1], NULL);
    }
    return ok;
}

/* Commands --------------------------------------------------------------- */

static void draw_cloth(struct render *r, VkCommandBuffer commands, float side)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, r->cloth);
    vkCmdPushConstants(commands, r->layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(side), &side);
    vkCmdDrawIndexed(commands, FLAG_INDICES + POLE_INDICES, 1, 0, 0, 0);
}

static void draw_things(struct render *r, VkCommandBuffer commands)
{
    const VkDeviceSize zero = 0;

    vkCmdBindVertexBuffers(commands, 0, 1, &r->vertices.buffer, &zero);
    vkCmdBindIndexBuffer(commands, r->indices.buffer, 0, VK_INDEX_TYPE_UINT16);
    draw_cloth(r, commands, -1);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, r->water);
    vkCmdDrawIndexed(commands, WATER_INDICES, 1, FLAG_INDICES + POLE_INDICES, 0, 0);
    draw_cloth(r, commands, 1);
}

/* The same for each frame.  whole: not the sky alone */
static bool record(struct render *r, VkCommandBuffer *commands, bool whole)
{
    const VkClearValue clear[] = { { .color = { .float32 = { 0 } } }, { .depthStencil = { 1, 0 } }, { .color = { .float32 = { 0 } } } };
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO, .renderPass = r->pass, .framebuffer = r->framebuffer,
        .renderArea = { { 0, 0 }, { r->width, r->height } }, .clearValueCount = 3, .pClearValues = clear,
    };
    const VkBufferImageCopy copy = {
        .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 }, .imageExtent = { r->width, r->height, 1 },
    };
    const VkBufferMemoryBarrier arrived = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT, .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED, .buffer = r->pixels.buffer, .size = VK_WHOLE_SIZE,
    };

    if (!gpu_begin(r->gpu, commands, 0))
        return false;
    vkCmdBeginRenderPass(*commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
    vkCmdBindDescriptorSets(*commands, VK_PIPELINE_BIND_POINT_GRAPHICS, r->layout, 0, 1, &r->set, 0, NULL);
    vkCmdBindPipeline(*commands, VK_PIPELINE_BIND_POINT_GRAPHICS, r->sky);
    vkCmdDraw(*commands, 3, 1, 0, 0);
    if (whole)
        draw_things(r, *commands);
    vkCmdEndRenderPass(*commands);
    vkCmdCopyImageToBuffer(*commands, r->picture.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, r->pixels.buffer, 1, &copy);
    vkCmdPipelineBarrier(*commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 0, NULL, 1, &arrived, 0,
                         NULL);
    return VK(vkEndCommandBuffer, *commands);
}

bool render_begin(struct render *r, struct gpu *gpu, unsigned width, unsigned height, unsigned samples)
{
    memset(r, 0, sizeof(*r));
    r->gpu = gpu;
    r->width = width;
    r->height = height;
    r->samples = samples == 4 ? VK_SAMPLE_COUNT_4_BIT : VK_SAMPLE_COUNT_1_BIT;
    if (!gpu_buffer_make(gpu, &r->vertices, SCENE_VERTICES * sizeof(struct scene_vertex), VK_BUFFER_USAGE_VERTEX_BUFFER_BIT,
                         false) ||
        !gpu_buffer_make(gpu, &r->view, sizeof(struct scene_view), VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, false) ||
        !gpu_buffer_make(gpu, &r->pixels, (size_t)4 * width * height, VK_BUFFER_USAGE_TRANSFER_DST_BIT, true))
        return false;
    return make_targets(r) && make_set(r) && make_layout(r) && make_pipelines(r, SKY, SKY);
}

bool render_make(struct render *r)
{
    if (!gpu_buffer_make(r->gpu, &r->indices, SCENE_INDICES * sizeof(uint16_t), VK_BUFFER_USAGE_INDEX_BUFFER_BIT, false))
        return false;
    scene_indices(r->indices.map);
    if (!make_texture(r))
        return false;
    add_texture(r);
    return make_pipelines(r, CLOTH, WATER) && record(r, &r->commands, true);
}

void render_free(struct render *r)
{
    VkDevice device;

    if (!r->gpu || !r->gpu->device)
        return;
    device = r->gpu->device;
    /* After a failure it may still be at it. */
    vkDeviceWaitIdle(device);
    vkDestroyPipeline(device, r->sky, NULL);
    vkDestroyPipeline(device, r->cloth, NULL);
    vkDestroyPipeline(device, r->water, NULL);
    vkDestroyPipelineLayout(device, r->layout, NULL);
    vkDestroyDescriptorPool(device, r->set_pool, NULL);
    vkDestroyDescriptorSetLayout(device, r->set_layout, NULL);
    vkDestroyFramebuffer(device, r->framebuffer, NULL);
    vkDestroyRenderPass(device, r->pass, NULL);
    vkDestroySampler(device, r->sampler, NULL);
    gpu_image_free(r->gpu, &r->drawn);
    gpu_image_free(r->gpu, &r->depth);
    gpu_image_free(r->gpu, &r->picture);
    gpu_image_free(r->gpu, &r->texture);
    gpu_buffer_free(r->gpu, &r->vertices);
    gpu_buffer_free(r->gpu, &r->indices);
    gpu_buffer_free(r->gpu, &r->view);
    gpu_buffer_free(r->gpu, &r->pixels);
    memset(r, 0, sizeof(*r));
}

bool render_frame(struct render *r, unsigned i, unsigned n)
{
    scene_frame(i, n, (float)r->width / r->height, r->view.map, r->vertices.map);
    return gpu_run(r->gpu, r->commands);
}

bool render_sky(struct render *r, unsigned i, unsigned n)
{
    VkCommandBuffer commands;

    scene_frame(i, n, (float)r->width / r->height, r->view.map, r->vertices.map);
    return record(r, &commands, false) && gpu_run(r->gpu, commands);
}
