;; load: at most 256
(module (memory 65536) (func (export "f")))
