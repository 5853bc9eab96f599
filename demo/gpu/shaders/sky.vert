#version 450
// SPDX-License-Identifier: GPL-2.0-or-later
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"

layout(location = 0) out vec3 ray;

// One triangle that is larger than the picture
void main()
{
    vec2 p = vec2(gl_VertexIndex == 1 ? 3 : -1, gl_VertexIndex == 2 ? 3 : -1);

    ray = forward.xyz + p.x * right.xyz - p.y * up.xyz;
    gl_Position = vec4(p, 1, 1);
}
