#version 450
// SPDX-License-Identifier: GPL-2.0-or-later
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"

layout(location = 0) in vec3 ray;
layout(location = 0) out vec4 colour;

void main()
{
    colour = vec4(sky(normalize(ray)), 1);
}
