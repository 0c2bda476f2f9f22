#include "host/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

/* From where to where: the whole state machine. */
#define TO(state) (1u << TASK_##state)
static const unsigned transitions[TASK_STATES] = {
    [TASK_FREE] = TO(LOADED) | TO(PREVIEWING),
    [TASK_LOADED] = TO(PREPARING) | TO(FREE),
    [TASK_PREPARING] = TO(OFFERED) | TO(WAITING_LOG) | TO(BEGINNING) | TO(DELIVERING) |
                       TO(SETTLING) | TO(TAKEN_BACK) | TO(FREE),
    [TASK_OFFERED] = TO(TAKEN_BACK) | TO(WAITING_LOG) | TO(BEGINNING) | TO(SETTLING) | TO(FREE),
    [TASK_TAKEN_BACK] = TO(FREE),
    [TASK_WAITING_LOG] = TO(BEGINNING) | TO(TAKEN_BACK) | TO(SETTLING) | TO(FREE),
    [TASK_BEGINNING] = TO(DELIVERING) | TO(TAKEN_BACK) | TO(SETTLING) | TO(FREE),
    [TASK_DELIVERING] = TO(SETTLING) | TO(FREE),
    [TASK_SETTLING] = TO(FREE),
    [TASK_PREVIEWING] = TO(FREE),
};

void task_move(struct task *task, enum task_state to)
{
    if (!(transitions[task->state] & 1u << to)) {
        log_error("a defect: task in state %d cannot go to %d", (int)task->state, (int)to);
        abort();
    }
    task->state = to;
}

void task_list_add(struct task_list *list, struct task *task)
{
    task->next = NULL;
    if (list->last)
        list->last->next = task;
    else
        list->first = task;
    list->last = task;
    list->count++;
}

struct task *task_list_take(struct task_list *list)
{
    struct task *task = list->first;
    if (!task)
        return NULL;
    list->first = task->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    task->next = NULL;
    return task;
}

void tasks_open(struct tasks *tasks, uint32_t capacity)
{
    *tasks = (struct tasks){.capacity = capacity};
    tasks->slots = memory_array(capacity, sizeof *tasks->slots);
    for (uint32_t i = 0; i < capacity; i++) {
        tasks->slots[i].index = i;
        tasks->slots[i].generation = 1;
        task_list_add(&tasks->free, &tasks->slots[i]);
    }
}

static void free_data(struct task_data *data)
{
    if (!data)
        return;
    arena_free(data->arena);
    outcome_free(&data->held);
    lists_close(data->lists);
    free(data);
}

void tasks_close(struct tasks *tasks)
{
    for (uint32_t i = 0; i < tasks->capacity; i++)
        free_data(tasks->slots[i].data);
    free(tasks->slots);
    *tasks = (struct tasks){0};
}

struct task *tasks_take(struct tasks *tasks, enum task_state state)
{
    struct task *task = task_list_take(&tasks->free);
    if (!task)
        return NULL;
    tasks->used++;
    task_move(task, state);
    return task;
}

static void clear_data(struct task_data *data)
{
    arena_reset(data->arena);
    outcome_free(&data->held);
    lists_close(data->lists);
    data->lists = NULL;
    data->document_count = 0;
    data->unsynced = data->disk_failed = false;
    data->key[0] = 0;
    data->inlined = NULL;
    data->inlined_count = 0;
    data->made = NULL;
    data->made_count = 0;
}

void tasks_release(struct tasks *tasks, struct task *task)
{
    task_move(task, TASK_FREE);
    if (task->data)
        clear_data(task->data);
    task->job = NULL;
    task->claim = NULL;
    task->batch = NULL;
    task->begun = NULL;
    tasks->used--;
    task_list_add(&tasks->free, task);
}

campaignd_task task_handle(const struct task *task)
{
    return (campaignd_task)task->generation << 32 | (task->index + 1);
}

static struct task *slot_of(struct tasks *tasks, campaignd_task handle)
{
    uint32_t index = (uint32_t)handle - 1;
    return index < tasks->capacity ? &tasks->slots[index] : NULL;
}

struct task *tasks_find(struct tasks *tasks, campaignd_task handle)
{
    struct task *task = slot_of(tasks, handle);
    return task && task->state != TASK_FREE && task->generation == handle >> 32 ? task : NULL;
}

void task_retire(struct task *task)
{
    task->former.generation = task->generation;
    task->former.run = task->log.run;
    task->former.step = task->log.step;
    task->former.ordinal = task->log.ordinal;
    task->generation++;
}

struct task_data *task_data(struct task *task)
{
    if (!task->data) {
        task->data = memory_new(sizeof *task->data);
        task->data->arena = arena_new();
    }
    return task->data;
}

void tasks_describe(struct tasks *tasks, campaignd_task handle, char *target, size_t size)
{
    const struct task *task = tasks_find(tasks, handle);
    const struct task *slot = slot_of(tasks, handle);
    if (task)
        snprintf(target, size, "run %u, step %u, recipient %" PRIu64, task->log.run, task->log.step,
                 task->log.ordinal);
    else if (slot && slot->former.generation == handle >> 32)
        snprintf(target, size, "run %u, step %u, recipient %" PRIu64 " (already over)",
                 slot->former.run, slot->former.step, slot->former.ordinal);
    else
        snprintf(target, size, "no task (handle %" PRIx64 ")", handle);
}
