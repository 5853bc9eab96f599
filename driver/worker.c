// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: who works on the requests of a window, see worker.h.
 */
#include "worker.h"

#include <linux/cgroup.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#ifdef CONFIG_VHOST_TASK
#include <linux/sched/vhost_task.h>
#endif

/**
 * struct xlend_worker - one thread
 * @crew: its crew
 * @node: in the queue's list of idle workers
 * @ended: queue's lock: takes no more requests
 * @task: the thread
 * @reap: frees it, once it has ended
 * @turn: what it works on
 * @scratch: for who serves
 */
struct xlend_worker {
	struct xlend_crew *crew;
	struct list_head node;
	bool ended;
#ifdef CONFIG_VHOST_TASK
	struct vhost_task *task;
#else
	struct task_struct *task;
#endif
	struct work_struct reap;
	struct xlend_turn turn;
	u8 scratch[] __aligned(8);
};

/* Only waits for workers that have ended. */
static struct workqueue_struct *xlend_reapers;

/*
 * The worker takes no more requests; what follows is the reaper's.  Return:
 * false if it was so before.
 */
static bool xlend_worker_end(struct xlend_worker *wk)
{
	struct xlend_crew *crew = wk->crew;
	struct xlend_queue *q = &crew->queue;
	bool ended;

	spin_lock_irq(&q->lock);
	ended = wk->ended;
	if (!ended) {
		wk->ended = true;
		list_del_init(&wk->node);
		if (crew->watcher == wk)
			crew->watcher = NULL;
		/* It may have been woken for a request that it leaves. */
		if (!list_empty(&q->waiting) && !list_empty(&q->idle)) {
			struct list_head *other = q->idle.next;

			list_del_init(other);
			q->wake(other);
		}
	}
	spin_unlock_irq(&q->lock);

	if (!ended)
		queue_work(xlend_reapers, &wk->reap);
	return !ended;
}

static void xlend_worker_serve(struct xlend_worker *wk)
{
#ifdef CONFIG_VHOST_TASK
	wk->crew->ops->serve(wk->crew, &wk->turn, wk->scratch);
#else
	struct mm_struct *mm = wk->crew->mm;
	struct mem_cgroup *memcg, *old;

	/* Without the process there is nothing to charge it for. */
	if (!mmget_not_zero(mm)) {
		wk->crew->ops->serve(wk->crew, &wk->turn, wk->scratch);
		return;
	}
	kthread_use_mm(mm);
	memcg = get_mem_cgroup_from_mm(mm);
	old = set_active_memcg(memcg);
	kthread_associate_blkcg(wk->crew->blkcg);

	wk->crew->ops->serve(wk->crew, &wk->turn, wk->scratch);

	kthread_associate_blkcg(NULL);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	kthread_unuse_mm(mm);
	/* Not mmput(): it could end the address space right here. */
	mmput_async(mm);
#endif
}

/*
 * One round, entered in a state in which a wake-up is not lost.  Return: false
 * to sleep.
 */
static bool xlend_worker_round(void *data)
{
	struct xlend_worker *wk = data;
	struct xlend_queue *q = &wk->crew->queue;
	bool stopping, watches;

	spin_lock_irq(&q->lock);
	stopping = wk->crew->stopping || wk->ended;
	watches = wk->crew->watcher == wk;
	spin_unlock_irq(&q->lock);
	/* The second time it sleeps until the reaper comes. */
	if (stopping)
		return xlend_worker_end(wk);
	if (watches)
		return false;
	if (!xlend_queue_take(q, &wk->turn, &wk->node))
		return false;
	__set_current_state(TASK_RUNNING);
	xlend_worker_serve(wk);
	cond_resched();
	return true;
}

#ifdef CONFIG_VHOST_TASK

static void xlend_worker_killed(void *data)
{
	struct xlend_worker *wk = data;
	struct xlend_crew *crew = wk->crew;
	bool news;

	spin_lock_irq(&crew->queue.lock);
	news = crew->watcher == wk && !crew->stopping;
	spin_unlock_irq(&crew->queue.lock);
	/* The others may be stuck. */
	if (news)
		crew->ops->died(crew);
	xlend_worker_end(wk);
}

static int xlend_worker_make(struct xlend_worker *wk, domid_t domid)
{
	char name[TASK_COMM_LEN];
	struct vhost_task *task;

	snprintf(name, sizeof(name), "xen-lend/%u", domid);
	task = vhost_task_create(xlend_worker_round, xlend_worker_killed, wk,
				 name);
	/* From 6.14 an error pointer; NULL before, also because of a signal. */
	if (IS_ERR(task))
		return PTR_ERR(task);
	if (!task)
		return signal_pending(current) ? -ERESTARTNOINTR : -EAGAIN;
	wk->task = task;
	vhost_task_start(task);
	return 0;
}

static void xlend_worker_wake_up(struct xlend_worker *wk)
{
	vhost_task_wake(wk->task);
}

static void xlend_worker_join(struct xlend_worker *wk)
{
	vhost_task_stop(wk->task);
}

#else

static int xlend_worker_thread(void *data)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!xlend_worker_round(data))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int xlend_worker_make(struct xlend_worker *wk, domid_t domid)
{
	struct task_struct *task;

	task = kthread_create(xlend_worker_thread, wk, "xen-lend/%u", domid);
	if (IS_ERR(task))
		return PTR_ERR(task);
	wk->task = task;
	wake_up_process(task);
	return 0;
}

static void xlend_worker_wake_up(struct xlend_worker *wk)
{
	wake_up_process(wk->task);
}

static void xlend_worker_join(struct xlend_worker *wk)
{
	kthread_stop(wk->task);
}

#endif

static void xlend_worker_wake(struct list_head *node)
{
	xlend_worker_wake_up(container_of(node, struct xlend_worker, node));
}

static void xlend_worker_reap(struct work_struct *work)
{
	struct xlend_worker *wk = container_of(work, struct xlend_worker, reap);
	struct xlend_crew *crew = wk->crew;

	xlend_worker_join(wk);
	kfree(wk);
	crew->ops->put(crew);
	/* Unloading waits for the reapers, and so for this to return. */
	module_put(THIS_MODULE);
}

/**
 * xlend_crew_init - set up a crew without workers
 * @crew: zeroed
 * @ops: what it works for
 * @mm: of the current process
 * @pid: of the current process
 *
 * Context: process; xlend_crew_free() undoes it.
 */
void xlend_crew_init(struct xlend_crew *crew, const struct xlend_crew_ops *ops,
		     struct mm_struct *mm, struct pid *pid)
{
	crew->ops = ops;
	crew->mm = mm;
	xlend_queue_init(&crew->queue, xlend_worker_wake);
#ifndef CONFIG_VHOST_TASK
	crew->pid = pid;
#ifdef CONFIG_BLK_CGROUP
	crew->blkcg = task_get_css(current, io_cgrp_id);
#endif
#endif
}

/**
 * xlend_crew_free - undo xlend_crew_init()
 * @crew: without workers
 *
 * Context: process.
 */
void xlend_crew_free(struct xlend_crew *crew)
{
	if (crew->blkcg)
		css_put(crew->blkcg);
}

static void xlend_crew_appoint(struct xlend_crew *crew,
			       struct xlend_worker *watcher)
{
	spin_lock_irq(&crew->queue.lock);
	crew->watcher = watcher;
	spin_unlock_irq(&crew->queue.lock);
}

static int xlend_crew_add(struct xlend_crew *crew, domid_t domid, bool watches)
{
	struct xlend_worker *wk;
	int rc;

	wk = kzalloc(struct_size(wk, scratch, watches ? 0 : crew->ops->scratch),
		     GFP_KERNEL_ACCOUNT);
	if (!wk)
		return -ENOMEM;
	wk->crew = crew;
	if (watches)
		xlend_crew_appoint(crew, wk);
	INIT_LIST_HEAD(&wk->node);
	INIT_WORK(&wk->reap, xlend_worker_reap);
	crew->ops->get(crew);
	__module_get(THIS_MODULE);
	rc = xlend_worker_make(wk, domid);
	if (rc) {
		if (watches)
			xlend_crew_appoint(crew, NULL);
		kfree(wk);
		module_put(THIS_MODULE);
		crew->ops->put(crew);
	}
	return rc;
}

#ifdef CONFIG_VHOST_TASK

static int xlend_crew_watch(struct xlend_crew *crew, domid_t domid)
{
	return xlend_crew_add(crew, domid, true);
}

/* Under the queue's lock. */
static void xlend_crew_dismiss(struct xlend_crew *crew)
{
	if (crew->watcher)
		xlend_worker_wake_up(crew->watcher);
}

static void xlend_crew_unwatch(struct xlend_crew *crew)
{
}

#else

static void xlend_crew_bury(struct work_struct *work)
{
	struct xlend_crew *crew = container_of(work, struct xlend_crew, bury);

	crew->ops->died(crew);
}

/* Under locks of the process's end. */
static int xlend_crew_ends(struct wait_queue_entry *entry, unsigned int mode,
			   int flags, void *key)
{
	struct xlend_crew *crew = container_of(entry, struct xlend_crew, end);

	queue_work(xlend_reapers, &crew->bury);
	return 0;
}

static int xlend_crew_watch(struct xlend_crew *crew, domid_t domid)
{
	INIT_WORK(&crew->bury, xlend_crew_bury);
	init_waitqueue_func_entry(&crew->end, xlend_crew_ends);
	add_wait_queue(&crew->pid->wait_pidfd, &crew->end);
	return 0;
}

static void xlend_crew_dismiss(struct xlend_crew *crew)
{
}

static void xlend_crew_unwatch(struct xlend_crew *crew)
{
	remove_wait_queue(&crew->pid->wait_pidfd, &crew->end);
	cancel_work_sync(&crew->bury);
}

#endif

/**
 * xlend_crew_start - make workers
 * @crew: set up
 * @nr: how many at most; fewer will do
 * @domid: borrower, for their names
 *
 * Context: the process that they will be threads of.
 * Return: 0 if there is at least one; -EAGAIN, -ENOMEM and what else keeps a
 * process from having another thread.
 */
int xlend_crew_start(struct xlend_crew *crew, unsigned int nr, domid_t domid)
{
	unsigned int i;
	int rc;

	for (i = 0; i < nr; i++) {
		rc = xlend_crew_add(crew, domid, false);
		if (rc)
			break;
	}
	if (!i)
		return rc;
	rc = xlend_crew_watch(crew, domid);
	if (rc)
		xlend_crew_stop(crew);
	return rc;
}

/**
 * xlend_crew_stop - have the workers end
 * @crew: its queue gets no more requests
 *
 * Waits for none: who hangs ends later.
 *
 * Context: process.
 */
void xlend_crew_stop(struct xlend_crew *crew)
{
	struct xlend_queue *q = &crew->queue;

	spin_lock_irq(&q->lock);
	crew->stopping = true;
	while (!list_empty(&q->idle)) {
		struct list_head *worker = q->idle.next;

		list_del_init(worker);
		q->wake(worker);
	}
	xlend_crew_dismiss(crew);
	spin_unlock_irq(&q->lock);
	xlend_crew_unwatch(crew);
}

/**
 * xlend_workers_init - before the first crew
 *
 * Return: 0 or -ENOMEM.
 */
int xlend_workers_init(void)
{
	xlend_reapers = alloc_workqueue("xen-lend", WQ_UNBOUND, 0);
	return xlend_reapers ? 0 : -ENOMEM;
}

/**
 * xlend_workers_exit - undo xlend_workers_init()
 *
 * Context: no worker is left, as none holds the module.
 */
void xlend_workers_exit(void)
{
	/* The last may have dropped the module, but not yet returned. */
	destroy_workqueue(xlend_reapers);
}
