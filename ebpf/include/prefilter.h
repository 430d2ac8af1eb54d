/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What no rule can match is not told. The agent compiles, of what rules ask for, conditions of which one must hold for a
 * system call to be of interest, and writes them to memory that it shares: rules may change when it has no right left to
 * change a map.
 *
 * A condition is a bit. Facts of the call each refuse some of them; of those that are left some ask for a part of the text
 * that was passed, and some for names in the path of the file that was opened. Whatever cannot be told here refuses
 * nothing: too much is told, never too little.
 */
#ifndef PINHOLE_PREFILTER_H
#define PINHOLE_PREFILTER_H

#include "cgroup.h"
#include "socket.h"

#define PREFILTERS 32
#define NAME_SLOTS 1024
#define NAME_SLOT_BITS 10
_Static_assert(1 << NAME_SLOT_BITS == NAME_SLOTS, "a place is so many bits");
/* How far from its place a name may stand. */
#define NAME_PROBES 8
#define VALUES 12
#define HOST_SLOTS 256
/* include/uapi/asm-generic/fcntl.h, errno.h: the same on every processor that there are programs for. */
#define O_ACCMODE 3
#define O_TRUNC 01000
#define EINPROGRESS 115
/* Every condition. */
#define ALL_CONDITIONS 0xffffffff

/* What is told of a call by one number. */
enum fact {
	/* What it returned: -EINPROGRESS, another error, a standard descriptor, more. */
	FACT_FAILED,
	FACT_IN_PROGRESS,
	FACT_STANDARD,
	FACT_MORE,
	/* O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE, in the order of their numbers. */
	FACT_ACCESS,
	FACT_KEEPS = FACT_ACCESS + 4,
	FACT_TRUNCATES,
	/* What is behind the descriptor in the first argument: a socket of an internet family, or nothing of the kind. */
	FACT_INTERNET,
	FACT_ELSE,
	/* The first argument is one of some values. */
	FACT_VALUE,
	FACT_OTHER_VALUE = FACT_VALUE + VALUES,
	/* The process belongs to no container. */
	FACT_HOST,
	/* Nothing is known: refuses nothing. */
	FACT_NONE,
	FACTS,
};

/* What facts there are. */
enum prefilter_ask {
	ASKS_FLAGS = 1,
	ASKS_VALUE = 2,
	ASKS_FAMILY = 4,
};

/* The conditions for a call. */
struct prefilter {
	u32 conditions;
	/* Those that ask for a part of the text, for names in the path, and for an ending among those. */
	u32 by_text;
	u32 by_path;
	u32 by_ending;
	/* enum prefilter_ask. */
	u32 asks;
	/* The argument with the flags of open(2), one of the first three. */
	u32 flags;
	/* The argument with the text, one of the first three, and three bytes that must stand in it. */
	u32 text;
	u32 part;
	/* A bit for each length of an ending that conditions ask for. */
	u32 endings;
	/* The conditions that a fact refuses. */
	u32 refusing[FACTS];
	u32 values[VALUES];
};

/* What a name is. */
enum name_kind {
	/* The first of a path, or the first two. Where those count, the first stands alone as well. */
	NAME_FIRST = 1,
	NAME_SECOND,
	/* The end of the last, of up to eight bytes: this and its length. */
	NAME_ENDING,
};

/* Names that conditions ask for: sixteen bytes of each, the last of which is NUL. */
struct name_slot {
	u64 names[4];
	/* The prefilter, and from the ninth bit on enum name_kind; 0 where there is none. */
	u32 of;
	u32 conditions;
	/* Of a first name, the conditions that ask for it together with a second. */
	u32 below;
	u32 reserved;
};

struct prefilters {
	/* Odd while the agent writes. 0: nothing is refused. */
	u64 generation;
	/* Which prefilter a hook has, 0 where it has none. */
	u8 of_hook[HOOKS];
	struct prefilter each[PREFILTERS];
	struct name_slot names[NAME_SLOTS];
	/*
	 * Ids of cgroups that are no container's, each in the place that its lowest bits say. No id is ever used twice
	 * (kernfs_new_node() in fs/kernfs/dir.c), so what stands here stays true, whatever the rules are.
	 */
	u64 hosts[HOST_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct prefilters);
} prefilter SEC(".maps");

/* What a path is told apart by, without putting it together: sixteen bytes of its first two names, eight of its end. */
struct seen_names {
	u64 first[2];
	u64 second[2];
	u64 ending;
	/* The size of the last name. */
	u64 ending_size;
	u64 count;
};

/* As much of a text as is looked through. */
#define TEXT_LIMIT 256

/* Room to look at a call, one per CPU, claimed as those in which records are put together. */
struct sieve {
	u64 users;
	struct trail trail;
	struct seen_names seen;
	/* One more than there can be, because old kernels do not see that it is not read. */
	u64 text[TEXT_LIMIT / sizeof(u64) + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sieve);
} sieves SEC(".maps");

static __always_inline struct sieve *this_sieve(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&sieves, &zero);
}

static __always_inline const struct prefilters *all_prefilters(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&prefilter, &zero);
}

/* What a hook has, and the generation that it is of. NULL where nothing is refused. */
static __always_inline const struct prefilter *prefilter_of(u32 hook, u64 *generation)
{
	const struct prefilters *all = all_prefilters();
	u64 at;

	if (!all)
		return NULL;
	*generation = *(const volatile u64 *)&all->generation;
	if (!*generation || *generation & 1)
		return NULL;
	at = all->of_hook[hook % HOOKS];
	show_bound(at, PREFILTERS - 1);
	return at ? &all->each[at] : NULL;
}

/* Whether what was read of a generation was not written meanwhile: else it counts for nothing. */
static __always_inline bool is_current(u64 generation)
{
	const struct prefilters *all = all_prefilters();

	return all && *(const volatile u64 *)&all->generation == generation;
}

/*
 * The same sum stands in src/capture/prefilter.rs. No product waits for another, and its highest bits hang on all bits of
 * a word.
 */
static __always_inline u32 place_of_name(u32 of, u64 a, u64 b, u64 c, u64 d)
{
	u64 sum = (a ^ of) * 0x9e3779b97f4a7c15 + b * 0xbf58476d1ce4e5b9 + c * 0x94d049bb133111eb + d * 0xd6e8feb86659fd93;

	return sum >> (64 - NAME_SLOT_BITS);
}

/* What is asked of a name, NULL where nothing is. */
static __always_inline const struct name_slot *find_name(const struct prefilters *all, u32 of, u64 a, u64 b, u64 c, u64 d)
{
	u32 place = place_of_name(of, a, b, c, d);

	for (u32 i = 0; i < NAME_PROBES; i++) {
		u64 at = (place + i) % NAME_SLOTS;
		const struct name_slot *slot;

		show_bound(at, NAME_SLOTS - 1);
		slot = &all->names[at];
		if (!slot->of)
			return NULL;
		if (slot->of == of && slot->names[0] == a && slot->names[1] == b && slot->names[2] == c &&
		    slot->names[3] == d)
			return slot;
		end_turn();
	}
	return NULL;
}

/* The conditions that ask for a name. */
static __always_inline u32 asking_for(const struct prefilters *all, u32 of, u64 a, u64 b, u64 c, u64 d)
{
	const struct name_slot *slot = find_name(all, of, a, b, c, d);

	return slot ? slot->conditions : 0;
}

/* What is left of so many bytes of a name, in two words whose first byte is the lowest. */
static __always_inline void cut_name(u64 *words, u64 length)
{
	u64 bits = length * 8;

	if (length < 8) {
		words[0] &= (1UL << bits) - 1;
		words[1] = 0;
	} else if (length < 16) {
		words[1] &= (1UL << (bits - 64)) - 1;
	} else {
		words[1] &= (1UL << 56) - 1;
	}
}

/* Takes a name down on the way to the root. False where it cannot be read. */
static __always_inline bool note_name(struct sieve *s, u64 dentry)
{
	u64 at = short_name_offset();
	u64 in_copy = at - bpf_core_field_offset(struct dentry, d_hash.pprev);
	u64 length = in_dentry(s->trail.head, d_name.hash_len) >> 32;
	u64 name = in_dentry(s->trail.head, d_name.name);
	struct seen_names *seen = &s->seen;
	u64 words[2], end = 0;
	u64 *from;

	if (in_copy >= sizeof(u64) && in_copy <= DENTRY_SPAN - SHORT_NAME && length < SHORT_NAME && name == dentry + at) {
		from = (void *)s->trail.head + in_copy;
		words[0] = from[0];
		words[1] = from[1];
		show_bound(length, SHORT_NAME - 1);
		/* Of a name below eight bytes, what stands before it too: asked is only for what belongs to it. */
		end = *(u64 *)((void *)from + length - sizeof(u64));
	} else {
		words[0] = words[1] = 0;
		if (bpf_probe_read_kernel_str(words, sizeof(words), (void *)name) <= 0)
			return false;
		if (length < sizeof(end))
			end = words[0] << ((sizeof(end) - length) * 8);
		else if (bpf_probe_read_kernel(&end, sizeof(end), (void *)name + length - sizeof(end)))
			return false;
	}
	cut_name(words, length);
	if (!seen->count) {
		seen->ending = end;
		seen->ending_size = length;
	}
	seen->second[0] = seen->first[0];
	seen->second[1] = seen->first[1];
	seen->first[0] = words[0];
	seen->first[1] = words[1];
	seen->count++;
	return true;
}

/* As walk_up(), but takes down names only. Returns 1 where there is more to go, 0 at the root, else a negative number. */
__noinline int climb(void)
{
	struct sieve *s = this_sieve();
	u64 dentry, mnt, parent;

	if (!may_probe() || !s)
		return -1;
	dentry = s->trail.walk.dentry;
	mnt = s->trail.walk.mnt;
	if (!s->trail.walk.begun) {
		s->trail.walk.begun = true;
		if (!enter_mount(&s->trail, mnt))
			return -1;
	}
	for (int i = 0; i < PATH_TURNS; i++) {
		if (dentry == s->trail.walk.root_dentry && mnt == s->trail.walk.root_mnt)
			return 0;
		if (dentry == s->trail.walk.top) {
			if (!leave_mount(&s->trail, &dentry, &mnt))
				return -1;
			continue;
		}
		if (bpf_probe_read_kernel(s->trail.head, DENTRY_SPAN,
					  (void *)dentry + bpf_core_field_offset(struct dentry, d_hash.pprev)))
			return -1;
		parent = in_dentry(s->trail.head, d_parent);
		if (parent == dentry || !note_name(s, dentry))
			return -1;
		dentry = parent;
		end_turn();
	}
	s->trail.walk.dentry = dentry;
	s->trail.walk.mnt = mnt;
	return 1;
}

/* The conditions, of those asked for, that the path of an open file does not refuse. */
__noinline int allowed_by_path(s32 fd, u32 hook, u32 asked)
{
	struct sieve *s = this_sieve();
	const struct prefilters *all = all_prefilters();
	const struct name_slot *first;
	struct seen_names *seen;
	u64 path[2] = {};
	struct file *file;
	u32 allowed, endings, of;
	int more = 1;

	if (!may_probe() || !s || !all)
		return ALL_CONDITIONS;
	file = file_of(get(current_task(), files), fd);
	if (!file)
		return ALL_CONDITIONS;
	/* struct path: the mount, then the dentry. */
	bpf_probe_read_kernel(path, sizeof(path), (void *)file + bpf_core_field_offset(struct file, f_path));
	s->trail.walk.mnt = path[0];
	s->trail.walk.dentry = path[1];
	s->trail.walk.begun = false;
	seen = &s->seen;
	__builtin_memset(seen, 0, sizeof(*seen));
	if (!path[0] || !path[1])
		return ALL_CONDITIONS;
	for (int i = 0; i < PATH_COMPONENTS / PATH_TURNS; i++) {
		more = climb();
		if (more != 1)
			break;
		end_turn();
	}
	if (more || !seen->count)
		return ALL_CONDITIONS;
	of = all->of_hook[hook % HOOKS];
	show_bound(of, PREFILTERS - 1);
	first = find_name(all, of | NAME_FIRST << 8, seen->first[0], seen->first[1], 0, 0);
	allowed = first ? first->conditions : 0;
	if (first && first->below & asked & ~allowed)
		allowed |= asking_for(all, of | NAME_SECOND << 8, seen->first[0], seen->first[1], seen->second[0],
				      seen->second[1]);
	endings = asked & ~allowed & all->each[of].by_ending ? all->each[of].endings : 0;
	for (u32 size = 1; endings && size <= sizeof(u64); size++) {
		if (endings & 1 << size && seen->ending_size >= size)
			allowed |= asking_for(all, of | NAME_ENDING << 8, seen->ending >> (64 - 8 * size), size, 0, 0);
		end_turn();
	}
	return asked & allowed;
}

#define TEXT_WORDS (TEXT_LIMIT / sizeof(u64))
#define EIGHT_TIMES(byte) (((u64)(byte) & 255) * 0x0101010101010101)

/*
 * Whether three bytes stand in a text of the process, or that cannot be told. The text is looked at in the words that it was
 * written in: a load of parts of two that were just stored waits until both have left the processor.
 */
__noinline int may_contain(u64 user, u32 part)
{
	struct sieve *s = this_sieve();
	u64 first = EIGHT_TIMES(part), second = EIGHT_TIMES(part >> 8), third = EIGHT_TIMES(part >> 16);
	u64 word, next, differs, end;
	long size;

	if (!s)
		return 1;
	size = bpf_probe_read_user_str(s->text, TEXT_LIMIT, (void *)user);
	if (size <= 0 || size >= TEXT_LIMIT)
		return 1;
	end = (size + sizeof(u64) - 1) / sizeof(u64);
	word = s->text[0];
	for (u32 i = 1; i <= TEXT_WORDS; i++) {
		/* Behind the last word stands what was there before; in it that may be as well, which finds too much. */
		next = i < end ? s->text[i] : 0;
		differs = (word ^ first) | ((word >> 8 | next << 56) ^ second) | ((word >> 16 | next << 48) ^ third);
		/* The lowest byte that is zero here is zero there. */
		if ((differs - 0x0101010101010101) & ~differs & 0x8080808080808080)
			return 1;
		if (i >= end)
			return 0;
		word = next;
		end_turn();
	}
	return 1;
}

/* What is behind a descriptor, as a fact. */
__noinline int family_of(s32 fd)
{
	struct file *file;
	struct inode *inode;
	struct socket *socket;
	struct sock *sk;
	u16 family;

	if (!may_probe())
		return FACT_NONE;
	file = file_of(get(current_task(), files), fd);
	if (!file)
		return FACT_NONE;
	inode = probe(file, f_inode);
	if ((probe(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return FACT_ELSE;
	socket = probe(file, private_data);
	sk = probe(socket, sk);
	if (!sk)
		return FACT_NONE;
	family = probe(sk, __sk_common.skc_family);
	if (family == AF_INET || family == AF_INET6)
		return FACT_INTERNET;
	/* Others may take addresses of an internet family (AF_SMC does), by which rules then know them. */
	return family == AF_UNIX || family == AF_NETLINK || family == AF_PACKET ? FACT_ELSE : FACT_NONE;
}

static __always_inline u32 result_of(s64 ret)
{
	if (ret < 0)
		return ret == -EINPROGRESS ? FACT_IN_PROGRESS : FACT_FAILED;
	return ret <= 2 ? FACT_STANDARD : FACT_MORE;
}

/* Whether the agent said so of the task's cgroup. */
static __always_inline bool is_host(struct task_struct *task)
{
	struct kernfs_node *cgroup = cgroup_of(task);
	u64 id = get(cgroup, id), at = id % HOST_SLOTS;
	const struct prefilters *all = all_prefilters();

	show_bound(at, HOST_SLOTS - 1);
	return all && id && *(const volatile u64 *)&all->hosts[at] == id;
}

/* One of the first three arguments. By name, because old kernels do not let a number choose among what is on the stack. */
static __always_inline u64 chosen(const struct call *call, u32 at)
{
	u64 value = call->args[0];

	if (at == 1) {
		value = call->args[1];
		opaque(value);
	} else if (at == 2) {
		value = call->args[2];
		opaque(value);
	}
	return value;
}

/* The conditions that no fact of the call refuses. */
static __always_inline u32 allowed_by_facts(const struct prefilter *of, struct task_struct *task, const struct call *call)
{
	u32 refused = of->refusing[result_of(call->ret)], fact;
	u64 flags;

	if (of->asks & ASKS_FLAGS) {
		flags = chosen(call, of->flags);
		refused |= of->refusing[FACT_ACCESS + (flags & O_ACCMODE)];
		refused |= of->refusing[flags & O_TRUNC ? FACT_TRUNCATES : FACT_KEEPS];
	}
	if (of->asks & ASKS_VALUE) {
		fact = FACT_OTHER_VALUE;
		for (u32 i = 0; i < VALUES; i++) {
			if (of->values[i] == (u32)call->args[0])
				fact = FACT_VALUE + i;
		}
		show_bound(fact, 31);
		if (fact < FACTS)
			refused |= of->refusing[fact];
	}
	if (of->refusing[FACT_HOST] & ~refused && is_host(task))
		refused |= of->refusing[FACT_HOST];
	/* Where it failed, the address that was passed may be of another family. */
	if (of->asks & ASKS_FAMILY && (call->ret >= 0 || call->ret == -EINPROGRESS)) {
		fact = family_of(call->args[0]);
		show_bound(fact, 31);
		if (fact < FACTS)
			refused |= of->refusing[fact];
	}
	return of->conditions & ~refused;
}

/* Of the conditions that are left those that no name and no text refuses. */
static __always_inline u32 allowed_by_texts(const struct prefilter *of, const struct call *call, u32 allowed)
{
	if (allowed & ~(of->by_text | of->by_path))
		return allowed;
	/* Where all ask for names too, those most likely refuse all. */
	if (allowed & ~of->by_path && !may_contain(chosen(call, of->text), of->part))
		allowed &= ~of->by_text;
	if (allowed && !(allowed & ~of->by_path) && call->ret >= 0)
		allowed &= allowed_by_path(call->ret, call->hook, allowed);
	return allowed;
}

/* Whether the call may be of interest to a rule. */
static __always_inline bool may_match(struct task_struct *task, const struct call *call, enum company company)
{
	const struct prefilter *of;
	struct sieve *s;
	u64 generation;
	u32 allowed;

	of = prefilter_of(call->hook, &generation);
	if (!of)
		return true;
	allowed = allowed_by_facts(of, task, call);
	if (allowed && !(allowed & ~(of->by_text | of->by_path))) {
		s = this_sieve();
		if (!s)
			return true;
		/* Who is refused tells: nobody has seen what it is about. */
		if (enter(&s->users, company)) {
			set_root(&s->trail, get(task, fs));
			allowed = allowed_by_texts(of, call, allowed);
			leave(&s->users, company);
		}
	}
	return allowed || !is_current(generation);
}

#endif
