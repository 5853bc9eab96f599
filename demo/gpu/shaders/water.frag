#version 450
// SPDX-License-Identifier: GPL-2.0-or-later
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"

layout(location = 0) in vec3 to_eye;
layout(location = 1) in vec3 n;
layout(location = 0) out vec4 colour;

// What is there already is what a mirror would show: alpha says how much of it is left.
void main()
{
    vec3 v = normalize(to_eye), m = normalize(n), r = reflect(-v, m);
    float away = 1 - max(dot(v, m), 0), away2 = away * away;
    float mirrored = 0.12 + 0.88 * away2 * away2 * away;
    // the water's own colour, and what waves mirror that a flat surface does not
    vec3 own = vec3(0.02, 0.13, 0.22) * (1 - mirrored);
    vec3 flat_one = sky(reflect(-v, vec3(0, 1, 0))), here = sky(vec3(r.x, max(r.y, 0), r.z));

    colour = vec4(own + mirrored * (here - flat_one), mirrored);
}
