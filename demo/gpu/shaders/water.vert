#version 450
// SPDX-License-Identifier: GPL-2.0-or-later
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 0) out vec3 to_eye;
layout(location = 1) out vec3 n;

void main()
{
    to_eye = eye.xyz - position;
    n = normal;
    gl_Position = clip * vec4(position, 1);
}
