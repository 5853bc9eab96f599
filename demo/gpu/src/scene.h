/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What there is to see: a flag on its pole, over water, at dusk.  All of it is computed by the processor, anew for each
 * frame, with additions, multiplications and square roots alone: the same on every x86-64 processor.
 */
#ifndef WAVES_SCENE_H
#define WAVES_SCENE_H

#include <stdint.h>

#define FLAG_COLUMNS    96
#define FLAG_ROWS       64
#define POLE_SIDES      10
#define POLE_RINGS      20
#define WATER_COLUMNS   64
#define WATER_ROWS      96

#define FLAG_VERTICES   (FLAG_COLUMNS * FLAG_ROWS)
#define POLE_VERTICES   (POLE_SIDES * POLE_RINGS)
#define WATER_VERTICES  (WATER_COLUMNS * WATER_ROWS)
#define SCENE_VERTICES  (FLAG_VERTICES + POLE_VERTICES + WATER_VERTICES)

#define FLAG_INDICES    (6 * (FLAG_COLUMNS - 1) * (FLAG_ROWS - 1))
#define POLE_INDICES    (6 * POLE_SIDES * (POLE_RINGS - 1))
#define WATER_INDICES   (6 * (WATER_COLUMNS - 1) * (WATER_ROWS - 1))
#define SCENE_INDICES   (FLAG_INDICES + POLE_INDICES + WATER_INDICES)

struct scene_vertex {
    float position[3];
    float normal[3];
    float uv[2];
};

/* As "View" in shaders/view.glsl has it, by std140 */
struct scene_view {
    float clip[16];         /* from the world, column by column */
    float eye[4];
    float sun[4];           /* where it is */
    float forward[4];       /* what is in the middle of the picture */
    float right[4];         /* and from there to its edges */
    float up[4];
    float time[4];          /* sine and cosine of the frame's phase, and of twice the phase */
};

/* SCENE_INDICES of them: flag, pole and water in this order, as triangles. */
void scene_indices(uint16_t *index);

/*
 * Frame i of n, of SCENE_VERTICES; frame n is frame 0 again.  aspect: the picture's width by its height.  What is written to is written
 * once, in ascending order, and not read: it may be a device's memory.
 */
void scene_frame(unsigned i, unsigned n, float aspect, struct scene_view *view, struct scene_vertex *vertex);

#endif
