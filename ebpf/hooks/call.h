/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * System calls, all of them by one handler: the agent's table says for each call what to read, as a few steps. The paths
 * and addresses that were asked for come from the process, which may have rewritten them meanwhile; what came of it comes
 * from the kernel's own structures and stands beside it.
 *
 * A file is looked up by its descriptor when the call returns: where threads share their descriptors, another one may
 * have put its own file there since, which the agent is told.
 */

/* What to read for a call. */
enum step_kind {
	STEP_END,
	/* A string: argument arg. */
	STEP_TEXT,
	/* The same where the first argument is aux, else nothing. */
	STEP_TEXT_IF,
	/* A path: argument arg; for a relative one the directory too, by the descriptor in argument aux, if any. */
	STEP_PATH,
	/* Bytes: argument arg, as many as argument aux says, else limit. */
	STEP_BYTES,
	/* The destination of a struct msghdr: argument arg. */
	STEP_MESSAGE,
	/* What is behind a descriptor: argument arg. */
	STEP_DESCRIPTOR,
	/* What is behind the descriptor that was returned. */
	STEP_RESULT,
	/* The working directory after a success. */
	STEP_CWD,
};

/* What belongs to the result is no argument either, so such a step is of PART_OF_RESULT. */
#define NO_ARGUMENT PART_OF_RESULT
#define AT_FDCWD -100

struct step {
	u8 kind;
	u8 arg;
	u8 aux;
	u8 limit;
};

/* Which runs of a call are told. */
enum told {
	TOLD_ALL,
	TOLD_FAILURES,
	TOLD_FIRST_OF_FLOW,
	TOLD_SELECTED,
};

#define STEPS 4
#define SELECTED 12

struct call_spec {
	struct step steps[STEPS];
	/* enum told. */
	u32 told;
	u32 selected[SELECTED];
};

volatile const struct call_spec calls[HOOKS] = {};
/* The hook of each watched system call, by its number, 0 where there is none. */
volatile const u8 native_calls[SYSCALLS] = {};
volatile const u8 i386_calls[SYSCALLS] = {};
/* The same for the calls behind socketcall(2), which on i386 stands for all of them. */
#define SOCKETCALLS 32
#define I386_SOCKETCALL 102
volatile const u8 i386_socketcalls[SOCKETCALLS] = {};

/* The table has no index beyond the last argument; the bound is for the verifier, and what lies beyond is the record's own. */
static __always_inline u64 argument(const struct call_record *call, u64 index)
{
	show_bound(index, 7);
	return call->args[index];
}

/* Ends a part that is a path, or ends with one. */
static __always_inline void end_path(struct scratch *s, struct part *part)
{
	u32 notes = path_notes(s);

	part->flags = notes;
	if (notes & PATH_UNREADABLE)
		s->header.flags |= RECORD_PART_UNREADABLE;
	if (notes & PATH_TRUNCATED)
		s->header.flags |= RECORD_PART_TRUNCATED;
	end_part(s, part);
}

static __always_inline void append_directory(struct scratch *s, struct task_struct *task, s32 fd, u8 of)
{
	struct part *part = begin_part(s, PART_DIRECTORY, of);
	struct file *file;

	if (!part)
		return;
	if (fd == AT_FDCWD) {
		append_cwd(s, get(task, fs));
	} else {
		file = file_of(get(task, files), fd);
		path_notes(s) = PATH_UNREADABLE;
		if (file)
			append_file_path(s, file);
	}
	end_path(s, part);
}

/*
 * Both fields are near each other on every kernel, but not always near the beginning: the types of Ubuntu's 6.5 and 6.8
 * have them behind f_ra (include/linux/fs.h). Where they were farther apart than the copy, what lies beyond would read as 0.
 */
static __always_inline u64 file_span(void)
{
	u64 path = bpf_core_field_offset(struct file, f_path), inode = bpf_core_field_offset(struct file, f_inode);

	return path < inode ? path : inode;
}

#define in_file(copy, span, member)                                                                      \
	({                                                                                               \
		u64 offset_in_copy = bpf_core_field_offset(struct file, member) - (span);                \
		offset_in_copy <= FILE_SPAN - sizeof(u64) ? *(u64 *)((void *)(copy) + offset_in_copy) : 0; \
	})

static __always_inline int append_descriptor(struct scratch *s, struct files_struct *files, s32 fd, u8 of)
{
	u64 inode, number, mnt, dentry, span = file_span();
	struct file_part *body;
	void *head = s->trail.head;
	struct file *file;
	struct part *part;
	u32 mode;

	if (!may_probe()) {
		part = begin_part(s, PART_FILE, of);
		if (part) {
			unreadable(s, part);
			end_part(s, part);
		}
		return 0;
	}
	file = file_of(files, fd);
	if (!file) {
		part = begin_part(s, PART_NOT_OPEN, of);
		if (part)
			end_part(s, part);
		return 0;
	}
	bpf_probe_read_kernel(head, FILE_SPAN, (void *)file + span);
	inode = in_file(head, span, f_inode);
	mnt = in_file(head, span, f_path.mnt);
	dentry = in_file(head, span, f_path.dentry);
	bpf_probe_read_kernel(head, INODE_HEAD, (void *)inode);
	mode = copied_as(u16, head, INODE_HEAD, struct inode, i_mode);
	number = copied(head, INODE_HEAD, struct inode, i_ino);
	/* The file of a unix socket can be opened with O_PATH, and is no socket then. */
	if ((mode & S_IFMT) == S_IFSOCK && probe(file, private_data)) {
		s->flow.socket = (u64)file;
		s->flow.inode = number;
		return append_socket(s, file, number, of);
	}
	part = begin_part(s, PART_FILE, of);
	if (!part)
		return 0;
	body = append(s, sizeof(*body));
	if (!body)
		return 0;
	body->inode = number;
	body->mode = mode;
	body->magic = 0;
	append_path(s, mnt, dentry);
	if (path_notes(s) & (PATH_PSEUDO | PATH_OUTSIDE_ROOT))
		body->magic = probe((struct inode *)inode, i_sb, s_magic);
	if (are_shared(files)) {
		/* Looking twice finds only who came between the two looks. */
		if (file_of(files, fd) != file)
			path_notes(s) = PATH_UNREADABLE;
		else if (of == PART_OF_RESULT)
			path_notes(s) |= PATH_SHARED;
	}
	end_path(s, part);
	return 0;
}

/* An address that the process named: it tells one flow of an unconnected socket from another. */
static __always_inline void append_address(struct scratch *s, const void *user, u32 size, u8 of)
{
	void *at = append_bytes(s, user, size, of);

	if (at && size >= sizeof(u16))
		__builtin_memcpy(s->flow.address, at, sizeof(s->flow.address));
}

static __always_inline void append_message(struct scratch *s, const struct call_record *call, u8 of)
{
	/* struct user_msghdr, struct compat_msghdr: the name and its length come first. */
	struct {
		u64 name;
		u32 size;
		u32 reserved;
	} native = {};
	struct {
		u32 name;
		u32 size;
	} compat = {};
	const void *user = (void *)argument(call, of);

	if (call->abi == ABI_NATIVE) {
		bpf_probe_read_user(&native, sizeof(native), user);
	} else {
		bpf_probe_read_user(&compat, sizeof(compat), user);
		native.name = compat.name;
		native.size = compat.size;
	}
	if (native.name)
		append_address(s, (void *)native.name, native.size, of);
}

/* Takes one step, a struct step as a number, for the call in that place. */
__noinline int take_step(u32 place, u32 packed)
{
	u8 kind = packed, arg = packed >> 8, aux = packed >> 16, limit = packed >> 24;
	struct scratch *s = place_of(place);
	const struct call_record *call;
	struct task_struct *task;
	bool directory = false;
	s32 fd = AT_FDCWD;
	int first;

	if (!s)
		return 0;
	call = &s->call;
	switch (kind) {
	case STEP_TEXT_IF:
		if ((u32)call->args[0] != limit)
			return 0;
		/* fall through */
	case STEP_TEXT:
		/* Optional strings are passed as NULL. */
		if (!argument(call, arg))
			return 0;
		append_text(s, (void *)argument(call, arg), arg);
		return 0;
	case STEP_PATH:
		first = append_text(s, (void *)argument(call, arg), arg);
		if (first < 0 || first == '/')
			return 0;
		directory = true;
		if (aux != NO_ARGUMENT)
			fd = argument(call, aux);
		break;
	case STEP_BYTES:
		/* send(2) is sendto(2) without an address: nothing that could not be read. */
		if (!argument(call, arg))
			return 0;
		append_address(s, (void *)argument(call, arg),
			       aux == NO_ARGUMENT ? limit : (u32)argument(call, aux), arg);
		return 0;
	case STEP_MESSAGE:
		append_message(s, call, arg);
		return 0;
	case STEP_DESCRIPTOR:
		fd = argument(call, arg);
		break;
	case STEP_RESULT:
		if (call->ret < 0)
			return 0;
		fd = call->ret;
		break;
	case STEP_CWD:
		if (call->ret < 0)
			return 0;
		directory = true;
		break;
	default:
		return 0;
	}
	task = current_task();
	/* What a relative path led to is told by the result, where that is a descriptor of one's own: limit says so. */
	if (!directory)
		append_descriptor(s, get(task, files), fd, arg);
	else if (kind == STEP_CWD || call->ret < 0 || !limit || are_shared(get(task, files)))
		append_directory(s, task, fd, arg);
	return 0;
}

static __always_inline bool selected(const volatile struct call_spec *spec, const struct call *call)
{
	for (int i = 0; i < SELECTED; i++) {
		if (spec->selected[i] == (u32)call->args[0])
			return true;
	}
	return false;
}

static __always_inline int handle_call(struct task_struct *task, const struct call *call, enum company company)
{
	struct hook_counters *line = seen(call->hook, company);
	struct control *c = agent_control();
	const volatile struct call_spec *spec = &calls[call->hook % HOOKS];
	struct call_record *record;
	struct fs_struct *fs;
	struct scratch *s;
	bool by_flow;
	u8 one = 1;

	if (!line || !c)
		return 0;
	by_flow = spec->told == TOLD_FIRST_OF_FLOW;
	if (!hook_enabled(c, call->hook) || is_agent(c, get(task, tgid)))
		return filter(line, company);
	if (spec->told == TOLD_FAILURES && call->ret >= 0)
		return filter(line, company);
	if (spec->told == TOLD_SELECTED && !selected(spec, call))
		return filter(line, company);
	if (!may_match(task, call, company))
		return filter(line, company);
	s = claim(FOR_EVENT);
	if (!s)
		return drop(line);
	record = &s->call;
	fs = get(task, fs);
	set_root(&s->trail, fs);
	fill_header(&record->header, task, get(task, group_leader), cgroup_of(task), call->hook);
	record->ret = call->ret;
	for (int i = 0; i < 6; i++)
		record->args[i] = call->args[i];
	record->abi = call->abi;
	record->number = call->number;
	record->part_count = 0;
	used(s) = sizeof(*record);
	if (by_flow)
		__builtin_memset(&s->flow, 0, sizeof(s->flow));
	for (int i = 0; i < STEPS; i++) {
		u32 packed = *(const volatile u32 *)&spec->steps[i];

		if (!(packed & 255))
			break;
		take_step(s->place, packed);
		end_turn();
	}
	if (by_flow && bpf_map_lookup_elem(&flows, &s->flow)) {
		filter(line, company);
	} else {
		introduce(s, c, task, fs);
		/* A flow is known once a message of it went out and was told. */
		if (send(c, line, s, 0) && by_flow && call->ret >= 0)
			bpf_map_update_elem(&flows, &s->flow, &one, BPF_ANY);
	}
	release(s);
	return 0;
}

/* How many words each call behind socketcall(2) takes (net/socket.c). */
volatile const u8 socketcall_words[SOCKETCALLS] = { 0, 3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4 };

/* A 32-bit program's socketcall becomes the call that it stands for. False when that is not watched. */
static __always_inline bool resolve_socketcall(struct call *call)
{
	u64 code = call->args[0], size;
	u32 words[8] = {};

	if (code >= SOCKETCALLS)
		return false;
	show_bound(code, SOCKETCALLS - 1);
	if (!i386_socketcalls[code])
		return false;
	call->hook = i386_socketcalls[code];
	size = socketcall_words[code] * sizeof(u32);
	show_bound(size, sizeof(words) - 1);
	if (!size || bpf_probe_read_user(words, size, (void *)call->args[1]))
		return false;
	for (int i = 0; i < 6; i++)
		call->args[i] = words[i];
	return true;
}
