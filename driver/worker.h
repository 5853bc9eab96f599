/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: who works on the requests of a window.
 *
 * A crew is a few threads of the process whose memory is lent, made with the
 * window.  What they do is charged to that process: CPU time, memory, page
 * tables, block I/O; its limits limit them, and SIGKILL ends them.  A fault
 * that hangs takes a worker of this window and nobody else's, for as long as it
 * hangs, also when the window is gone: the worker ends when the fault does.
 *
 * One more thread works on nothing, so that it never hangs: it learns of the end
 * of the process when all workers are stuck, which keep the address space, and
 * so the notifier's last call, from coming.
 *
 * Kernels without vhost_task get kernel threads that take on the address space,
 * memory and I/O groups of the process for each request, but not its CPU group,
 * and that no signal ends.  There the end of the process is learnt of as pidfds
 * do.
 *
 * Each thread holds a reference to what the crew works for, and the module.
 */
#ifndef _XLEND_WORKER_H
#define _XLEND_WORKER_H

#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "request.h"

struct cgroup_subsys_state;
struct mm_struct;
struct pid;
struct xlend_crew;
struct xlend_worker;

/**
 * struct xlend_crew_ops - what a crew works for
 * @scratch: bytes that each worker has for @serve
 * @serve: serve a request; may sleep for as long as it likes
 * @get: one more reference
 * @put: one less; may sleep
 * @died: the process ends, and workers may hang; called once at most, maybe when
 *        the crew has just been stopped; may sleep
 */
struct xlend_crew_ops {
	size_t scratch;
	void (*serve)(struct xlend_crew *crew, struct xlend_turn *t,
		      void *scratch);
	void (*get)(struct xlend_crew *crew);
	void (*put)(struct xlend_crew *crew);
	void (*died)(struct xlend_crew *crew);
};

/**
 * struct xlend_crew - workers of one window
 * @ops: see there
 * @queue: the window's requests
 * @mm: of the process; its owner keeps it
 * @blkcg: I/O group of the process, or NULL
 * @stopping: queue->lock: they are to end
 * @watcher: queue->lock: the thread that works on nothing, until it ends
 * @end: who hears of the end of the process
 * @bury: calls @died
 * @pid: of the process; its owner keeps it
 */
struct xlend_crew {
	const struct xlend_crew_ops *ops;
	struct xlend_queue queue;
	struct mm_struct *mm;
	struct cgroup_subsys_state *blkcg;
	bool stopping;
	struct xlend_worker *watcher;
#ifndef CONFIG_VHOST_TASK
	struct wait_queue_entry end;
	struct work_struct bury;
	struct pid *pid;
#endif
};

#ifdef CONFIG_VHOST_TASK
#define XLEND_WORKERS_CHARGED	true
#else
#define XLEND_WORKERS_CHARGED	false
#endif

int xlend_workers_init(void);
void xlend_workers_exit(void);
void xlend_crew_init(struct xlend_crew *crew, const struct xlend_crew_ops *ops,
		     struct mm_struct *mm, struct pid *pid);
int xlend_crew_start(struct xlend_crew *crew, unsigned int nr, domid_t domid);
void xlend_crew_stop(struct xlend_crew *crew);
void xlend_crew_free(struct xlend_crew *crew);

#endif /* _XLEND_WORKER_H */
