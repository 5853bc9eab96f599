#version 450
// SPDX-License-Identifier: GPL-2.0-or-later
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"

layout(push_constant) uniform Push {
    float side;     // 1, or -1 for what the water mirrors
};
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 uv;
layout(location = 0) out vec2 where;
layout(location = 1) out vec3 light;
layout(location = 2) out vec3 shine;

void main()
{
    vec3 p = position, v = normalize(eye.xyz - p), n = faceforward(normal, -v, normal);
    // It stands between the eye and the sun: what is lit shines through.
    float front = max(dot(n, vec3(-0.42, 0.52, 0.74)), 0), through = max(dot(-n, sun.xyz), 0);
    float s = max(dot(n, normalize(v + vec3(-0.42, 0.52, 0.74))), 0), s2 = s * s, s4 = s2 * s2, s8 = s4 * s4;

    light = vec3(0.34, 0.37, 0.46) + front * vec3(0.72, 0.66, 0.60) + through * through * vec3(0.34, 0.22, 0.10);
    shine = s8 * s8 * s4 * vec3(0.20, 0.19, 0.17);
    where = uv;
    if (side < 0) {
        // as waves make it: the further from the surface, the more
        float a = 9 * p.y, b = 17 * p.y + 3 * p.x;
        p.x += 0.025 * p.y * (sin(a) * time.x + cos(a) * time.y) + 0.012 * (sin(b) * time.z + cos(b) * time.w);
        // what is in the water is not mirrored by it
        p.y = min(-p.y, 0);
    }
    gl_Position = clip * vec4(p, 1);
}
