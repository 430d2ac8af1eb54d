//! The names of arguments that a rule may ask for: all of upstream's, and which of them never have a value here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::process;
use super::table::{self, From};

const NOT_WATCHED: &str = "only calls have it that the agent does not watch";
const NOT_READ: &str = "the agent does not read it";

/// Those that only events have which are never seen here (falcosecurity/libs, `driver/event_table.c`).
const ELSEWHERE: &str = "ID action arg argument aux clockid container_id cpu cpu_sys cpu_usr cur desc description dpid \
    dqb_bhardlimit dqb_bsoftlimit dqb_btime dqb_curspace dqb_ihardlimit dqb_isoftlimit dqb_itime dqi_bgrace dqi_flags \
    dqi_igrace error event_data event_type fd1 fd2 fd_in fd_out fdin fdout fds home how id image in_fd initval interval ip \
    json key len level mask max maxevents min_complete mountfd msgcontrol nativeID newcur newmax next nr_args nsems nsops \
    offin offout offset oldcur oldmax op opcode operation optlen optname out_fd peer pgoffset pid_fd plugin_id pos prot \
    quota_fmt quota_fmt_out quotafilepath ratio res_or_fd resource scope sem_flg_0 sem_flg_1 sem_num_0 sem_num_1 sem_op_0 \
    sem_op_1 semflg semid semnum shell sigmask source special spid tags target_fd timeout to_submit val value_bytebuf \
    value_charbuf whence";

/// Every name, and why no event has a value of it, where none has.
pub(in crate::rules) fn keys() -> &'static BTreeMap<&'static str, Option<&'static str>> {
    static KEYS: LazyLock<BTreeMap<&'static str, Option<&'static str>>> = LazyLock::new(|| {
        let mut keys: BTreeMap<_, _> = ELSEWHERE
            .split_ascii_whitespace()
            .map(|name| (name, Some(NOT_WATCHED)))
            .collect();
        let of_calls = table::all().map(|param| (param.name, !matches!(param.from, From::Unread)));
        for (name, is_read) in of_calls.chain(process::names()) {
            let never = keys.entry(name).or_insert(Some(NOT_READ));
            *never = if is_read { None } else { never.map(|_| NOT_READ) };
        }
        keys
    });
    &KEYS
}
