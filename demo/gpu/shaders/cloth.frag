#version 450
// SPDX-License-Identifier: GPL-2.0-or-later

layout(set = 0, binding = 1) uniform sampler2D cloth;
layout(location = 0) in vec2 where;
layout(location = 1) in vec3 light;
layout(location = 2) in vec3 shine;
layout(location = 0) out vec4 colour;

void main()
{
    colour = vec4(texture(cloth, where).rgb * light + shine, 1);
}
