// SPDX-License-Identifier: GPL-2.0-or-later
// What all shaders know of the frame; struct scene_view in src/scene.h

layout(std140, set = 0, binding = 0) uniform View {
    mat4 clip;
    vec4 eye;
    vec4 sun;
    vec4 forward;
    vec4 right;
    vec4 up;
    vec4 time;
};

// Seen in that direction, which is of length 1; water mirrors it.
vec3 sky(vec3 d)
{
    float high = abs(d.y), low = 1 - high;
    float low2 = low * low, low4 = low2 * low2, low8 = low4 * low4;
    float near = max(dot(vec3(d.x, high, d.z), sun.xyz), 0);
    float near2 = near * near, near4 = near2 * near2, near8 = near4 * near4, near32 = near8 * near8 * near8 * near8;

    return vec3(0.07, 0.13, 0.33) + low4 * vec3(0.20, 0.20, 0.26) + low8 * low4 * vec3(0.38, 0.20, 0.02) +
           near8 * vec3(0.26, 0.12, 0.02) + near32 * near32 * near32 * vec3(0.45, 0.34, 0.18) +
           smoothstep(0.9984, 0.9990, near) * vec3(0.6, 0.6, 0.45);
}
