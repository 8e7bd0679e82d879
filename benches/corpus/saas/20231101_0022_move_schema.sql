CREATE SCHEMA scheduling;
ALTER TABLE app.rooms SET SCHEMA scheduling;
ALTER TABLE app.bookings SET SCHEMA scheduling;
ALTER TYPE app.email SET SCHEMA public;
ALTER FUNCTION app.current_tenant() SET SCHEMA public;
