ALTER TABLE app.bookings DROP CONSTRAINT bookings_during_excl;
ALTER TABLE app.bookings ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist (room_id WITH =, during WITH &&);
