module hazards

go 1.18
