package reserve

func refuseHugePages([]byte) {}
