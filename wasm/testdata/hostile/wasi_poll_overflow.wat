;; end: deadline|trap
;; So many subscriptions that their bytes are few again.
(module (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32))) (memory 256)
  (func (export "f") (loop $l (drop (call $poll (i32.const 16) (i32.const 16) (i32.const 0x10000001) (i32.const 0))) (br $l))))
