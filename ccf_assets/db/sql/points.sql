-- Points, spheres, tracks and planes: the regions there. All coordinates are µm from the corner of the volume, in the
-- space of the atlas ("CCF µm"), unless a frame is named. The whole file is run on every upgrade; all of it is idempotent.
--
-- The planner merges region_at, to_ccf and voxels into the query that calls them, and voxel_um and usable into these. It
-- does so only for functions without a search_path of their own. These are BEGIN ATOMIC instead: the names in them,
-- operators included, were bound when the function was created, whatever the caller's search_path is.

CREATE OR REPLACE FUNCTION ccf.voxel_um(coordinate double precision, edge double precision, voxels integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Not true of NaN, which sorts above every number.
  SELECT CASE WHEN coordinate >= 0 AND coordinate < voxels * edge
              -- The smallest number that usable leaves: below it the quotient could underflow and end the statement.
              -- At most the last voxel: the quotient can be rounded up. Rounded down: an edge need not be whole µm.
              THEN floor(least(floor(greatest(coordinate, 1e-30) / edge), voxels - 1) * edge)::integer END;
END;

COMMENT ON FUNCTION ccf.voxel_um(double precision, double precision, integer) IS
'The table coordinate of the voxel that contains a coordinate, along one axis: the lower face of the voxel, µm, rounded down. NULL outside the volume, and for NULL and NaN. Arguments: the coordinate (µm), the edge of a voxel (µm), and the number of voxels along the axis.

SELECT ccf.voxel_um(8915, 25, 528);  -- 8900';

-- Before 0.3 the edge of a voxel was a real; queries of a lab may pass atlas.ccf_resolution.
CREATE OR REPLACE FUNCTION ccf.voxel_um(coordinate double precision, edge real, voxels integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT ccf.voxel_um(coordinate, edge::double precision, voxels);
END;

COMMENT ON FUNCTION ccf.voxel_um(double precision, real, integer) IS
'The table coordinate of the voxel that contains a coordinate, along one axis: the lower face of the voxel, CCF µm. NULL outside the volume, and for NULL and NaN. Arguments: the coordinate (µm), the edge of a voxel (µm), and the number of voxels along the axis.

SELECT ccf.voxel_um(8915, 25, 528);  -- 8900';

CREATE OR REPLACE FUNCTION ccf.region_at(
  ccf_id integer, x double precision, y double precision, z double precision
) RETURNS TABLE (region_id integer)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
  -- The voxel's coordinate, not the point's, which can lie before a z_end that was rounded down.
  SELECT CASE WHEN run.z_end > ccf.voxel_um(region_at.z, a.edge_ml, a.shape_ml) THEN run.region_id END
  -- A constant ccf_id is looked up once, not once per point.
  FROM ccf.loaded_atlas(region_at.ccf_id) AS a
  -- One descent of the primary key: the last run on the line that begins at or before the voxel.
  LEFT JOIN LATERAL (
    SELECT r.region_id, r.z_end
    FROM ccf.voxel_run AS r
    WHERE r.ccf_id = region_at.ccf_id
      AND r.x = ccf.voxel_um(region_at.x, a.edge_ap, a.shape_ap)
      AND r.y = ccf.voxel_um(region_at.y, a.edge_dv, a.shape_dv)
      AND r.z <= ccf.voxel_um(region_at.z, a.edge_ml, a.shape_ml)
    ORDER BY r.z DESC
    LIMIT 1
  ) AS run ON true;
END;

COMMENT ON FUNCTION ccf.region_at(integer, double precision, double precision, double precision) IS
'The id of the region at a point (CCF µm). Always one row: NULL outside the brain, outside the volume, and for a coordinate that is NULL, NaN or infinite, or absurdly large (1e308). For a table of points write it in FROM, where it takes one index lookup per point:

SELECT s.*, r.acronym
FROM ccf.recording_region AS s
CROSS JOIN LATERAL ccf.region_at(1, s.x, s.y, s.z) AS here
LEFT JOIN ccf.brain_region AS r ON r.ccf_id = 1 AND r.region_id = here.region_id
WHERE s.ccf_id = 1;

SELECT ccf.region_at(1, 8900, 1300, 8200);  -- 778, VISp5';

CREATE OR REPLACE FUNCTION ccf.regions_at(
  ccf_id integer, x double precision[], y double precision[], z double precision[]
) RETURNS TABLE (number bigint, region_id integer)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100000
BEGIN ATOMIC
  WITH a AS MATERIALIZED (SELECT l.* FROM ccf.loaded_atlas(regions_at.ccf_id) AS l),
  -- 2^24 µm are 16 m, so that a place in a coronal plane is one number in the order of the key.
  point AS MATERIALIZED (
    SELECT p.number, ccf.voxel_um(p.x, a.edge_ap, a.shape_ap) AS x,
      ccf.voxel_um(p.y, a.edge_dv, a.shape_dv)::bigint * 16777216
        + ccf.voxel_um(p.z, a.edge_ml, a.shape_ml) AS place
    FROM a, unnest(regions_at.x, regions_at.y, regions_at.z) WITH ORDINALITY AS p (x, y, z, number)
  ),
  plane AS MATERIALIZED (
    SELECT r.x, array_agg(r.y::bigint * 16777216 + r.z ORDER BY r.y, r.z) AS first,
      array_agg(r.y::bigint * 16777216 + r.z_end ORDER BY r.y, r.z) AS behind,
      array_agg(r.region_id ORDER BY r.y, r.z) AS region_id
    FROM ccf.voxel_run AS r
    WHERE r.ccf_id = regions_at.ccf_id
    GROUP BY r.x
  ),
  -- The last run that begins at or before the voxel.
  met AS (
    SELECT p.number, p.place, plane.behind, plane.region_id, width_bucket(p.place, plane.first) AS run
    FROM point AS p LEFT JOIN plane ON plane.x = p.x
    OFFSET 0
  )
  SELECT m.number, CASE WHEN m.behind[m.run] > m.place THEN m.region_id[m.run] END FROM met AS m;
END;

COMMENT ON FUNCTION ccf.regions_at(integer, double precision[], double precision[], double precision[]) IS
'The ids of the regions at very many points (CCF µm), the coordinates of which are arrays: a million points take 3 s, where region_at in a join takes 6 s. Always one row for each point, with its number from 1 on, in no order; region_id is NULL where that of region_at is. It reads the whole atlas first (0.7 s at 25 µm, 5 s at 10 µm): for fewer than some 200,000 points use region_at.

WITH point AS (
  SELECT array_agg(s.ap) AS x, array_agg(s.dv) AS y, array_agg(s.ml) AS z, array_agg(s.site_id) AS site_id
  FROM ccf.recording_site AS s
  WHERE s.frame = ''ccf''
)
SELECT point.site_id[here.number] AS site_id, here.region_id
FROM point CROSS JOIN LATERAL ccf.regions_at(1, point.x, point.y, point.z) AS here;';

CREATE OR REPLACE FUNCTION ccf.usable(coordinate double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  -- The bounds SMALLEST and LARGEST of ccf/frames/maps.py: beyond them a product could overflow or underflow, and end the
  -- statement. What is below SMALLEST keeps its sign: just beside the volume is outside it.
  SELECT CASE WHEN coordinate > 0 AND coordinate < 1e-30 THEN 1e-30
              WHEN coordinate < 0 AND coordinate > -1e-30 THEN -1e-30
              WHEN coordinate BETWEEN -1e30 AND 1e30 THEN coordinate END;
END;

COMMENT ON FUNCTION ccf.usable(double precision) IS
  'The coordinate, or NULL if it is NaN, infinite or beyond 1e30, which is not a place in any unit; one nearer to 0 than 1e-30 counts as 1e-30, with its sign';

CREATE OR REPLACE FUNCTION ccf.known_frame(frame text, ccf_id integer) RETURNS ccf.coordinate_frame
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
  found_frame ccf.coordinate_frame;
  space text;
BEGIN
  SELECT f.* INTO found_frame FROM ccf.coordinate_frame AS f WHERE f.name = known_frame.frame;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no coordinate frame %; there are %.', quote_nullable(frame),
      (SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM ccf.coordinate_frame AS f);
  END IF;
  IF found_frame.dv_from = 'surface' THEN
    IF ccf_id IS NULL THEN
      RAISE EXCEPTION 'In the frame % dv is measured from the brain surface; say of which atlas: ccf.to_ccf(%, ap, dv, ml, ccf_id).',
        quote_literal(frame), quote_literal(frame);
    END IF;
    PERFORM ccf.loaded_atlas(ccf_id);
  END IF;
  IF ccf_id IS NOT NULL THEN
    SELECT a.space INTO space FROM ccf.atlas AS a WHERE a.ccf_id = known_frame.ccf_id;
    IF space <> found_frame.space THEN
      RAISE EXCEPTION 'The frame % leads into the space %, and the atlas with ccf_id % lies in the space %; no point of the one is a place in the other.',
        frame, found_frame.space, ccf_id, space;
    END IF;
  END IF;
  RETURN found_frame;
END
$$;

COMMENT ON FUNCTION ccf.known_frame(text, integer) IS
'The row of table coordinate_frame. An error if there is no such frame, if it leads into another space than that of the atlas ccf_id, and if the frame measures dv from the brain surface and ccf_id is not that of a loaded atlas.

SELECT unit, dv_from FROM ccf.known_frame(''ibl'', NULL);  -- m, bregma';

CREATE OR REPLACE FUNCTION ccf.to_ccf(
  frame text, ap double precision, dv double precision, ml double precision, ccf_id integer DEFAULT NULL
) RETURNS TABLE (x double precision, y double precision, z double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
  SELECT p.x, p.y + CASE f.dv_from WHEN 'surface' THEN top.y ELSE 0 END, p.z
  -- A constant frame is looked up once, not once per point; of a column of frames, each frame once. The planner does
  -- this for a subquery (OFFSET 0), but not for a function, whose repetition it takes to be free.
  FROM (SELECT * FROM ccf.known_frame(to_ccf.frame, to_ccf.ccf_id) OFFSET 0) AS f
  -- In the same order as in ccf/frames/maps.py, so that both give the same bits.
  CROSS JOIN LATERAL (
    SELECT f.x_ap * given.ap + f.x_dv * given.dv + f.x_ml * given.ml + f.x_0 AS x,
           f.y_ap * given.ap + f.y_dv * given.dv + f.y_ml * given.ml + f.y_0 AS y,
           f.z_ap * given.ap + f.z_dv * given.dv + f.z_ml * given.ml + f.z_0 AS z
    FROM (SELECT ccf.usable(to_ccf.ap) AS ap, ccf.usable(to_ccf.dv) AS dv, ccf.usable(to_ccf.ml) AS ml) AS given
    -- Otherwise each coordinate would be computed again wherever it is named.
    OFFSET 0
  ) AS p
  LEFT JOIN ccf.atlas AS a ON a.ccf_id = to_ccf.ccf_id AND f.dv_from = 'surface'
  LEFT JOIN LATERAL (
    SELECT surface.y
    FROM ccf.brain_surface AS surface
    WHERE surface.ccf_id = to_ccf.ccf_id
      AND surface.x = ccf.voxel_um(p.x, a.edge_ap, a.shape_ap)
      AND surface.z = ccf.voxel_um(p.z, a.edge_ml, a.shape_ml)
    LIMIT 1
  ) AS top ON true;
END;

COMMENT ON FUNCTION ccf.to_ccf(text, double precision, double precision, double precision, integer) IS
'A point given in a named frame (table coordinate_frame), in its unit and signs, as µm in the space that the frame leads into (CCF µm). Always one row; NULL in all three where a coordinate is NULL, NaN, infinite or beyond 1e30. If the frame measures dv from the brain surface, it is the surface of the atlas ccf_id, and y is NULL where the column has no brain; in other frames ccf_id is only used to refuse an atlas of another space.

SELECT * FROM ccf.to_ccf(''stereotaxic'', -3500, 500, 2500, 1);

SELECT at.*, ccf.region_at(1, at.x, at.y, at.z)
FROM ccf.recording_site AS s
CROSS JOIN LATERAL ccf.to_ccf(s.frame, s.ap, s.dv, s.ml, 1) AS at
WHERE s.frame IN (SELECT f.name FROM ccf.coordinate_frame AS f WHERE f.space = ''allen_ccf_v3'');';

CREATE OR REPLACE FUNCTION ccf.check_place(
  what text, x double precision, y double precision, z double precision
) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
BEGIN
  -- 1 m: far beyond the volume, and small enough for sums that are exact to a millionth of a µm.
  IF (abs(x) <= 1e6 AND abs(y) <= 1e6 AND abs(z) <= 1e6) IS NOT TRUE THEN
    RAISE EXCEPTION '% (%, %, %) is not a place: x, y and z must be µm from the corner of the volume, each a number within 1,000,000.',
      what, coalesce(x::text, 'NULL'), coalesce(y::text, 'NULL'), coalesce(z::text, 'NULL');
  END IF;
END
$$;

COMMENT ON FUNCTION ccf.check_place(text, double precision, double precision, double precision) IS
  'An error if x, y or z is NULL, NaN, infinite or more than a metre, which CCF µm never are; the message begins with "what"';

CREATE OR REPLACE FUNCTION ccf.region_shares(
  ccf_id integer, x double precision, y double precision, z double precision, radius_um double precision
) RETURNS TABLE (region_id integer, acronym text, voxels bigint, share double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog
AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  e_x double precision := atlas.edge_ap;
  e_y double precision := atlas.edge_dv;
  e_z double precision := atlas.edge_ml;
  longest double precision := greatest(e_x * atlas.shape_ap, e_y * atlas.shape_dv, e_z * atlas.shape_ml);
BEGIN
  PERFORM ccf.check_place('The centre', x, y, z);
  IF (radius_um > 0 AND radius_um <= longest) IS NOT TRUE THEN
    RAISE EXCEPTION 'The radius must be more than 0 and at most % µm, the length of the volume, not %.',
      longest, coalesce(radius_um::text, 'NULL');
  END IF;
  -- No number whose square or quotient would underflow and end the statement.
  x := ccf.usable(x);
  y := ccf.usable(y);
  z := ccf.usable(z);
  radius_um := ccf.usable(radius_um);
  RETURN QUERY
  -- The lines of voxels along z that the sphere meets, and half of the sphere's width there.
  WITH chord AS (
    SELECT i, j, sqrt(radius_um ^ 2 - beside.square) AS half
    FROM generate_series(ceil((region_shares.x - radius_um) / e_x - 0.5)::integer,
                         floor((region_shares.x + radius_um) / e_x - 0.5)::integer) AS i
    CROSS JOIN generate_series(ceil((region_shares.y - radius_um) / e_y - 0.5)::integer,
                               floor((region_shares.y + radius_um) / e_y - 0.5)::integer) AS j
    CROSS JOIN LATERAL (
      SELECT ((i + 0.5) * e_x - region_shares.x) ^ 2 + ((j + 0.5) * e_y - region_shares.y) ^ 2 AS square
    ) AS beside
    WHERE beside.square <= radius_um ^ 2
  ),
  -- On each line the first and the last voxel whose centre is in the sphere, by number.
  line AS (
    SELECT chord.i, chord.j, ends.k_first, ends.k_last
    FROM chord
    CROSS JOIN LATERAL (
      SELECT ceil((region_shares.z - chord.half) / e_z - 0.5)::integer AS k_first,
             floor((region_shares.z + chord.half) / e_z - 0.5)::integer AS k_last
    ) AS ends
    WHERE ends.k_first <= ends.k_last
  ),
  inside AS (
    SELECT run.region_id, sum(run.voxels) AS voxels
    FROM line
    -- OFFSET 0: each line looks up its runs, whatever number of lines the planner expects.
    CROSS JOIN LATERAL (
      -- Table coordinates are faces rounded down; rounded, their quotient by the edge is the voxel's number again.
      SELECT r.region_id,
             (least(round(r.z_end / e_z), line.k_last + 1) - greatest(round(r.z / e_z), line.k_first))::bigint AS voxels
      FROM ccf.voxel_run AS r
      WHERE r.ccf_id = region_shares.ccf_id AND r.x = floor(line.i * e_x)::integer AND r.y = floor(line.j * e_y)::integer
        AND r.z <= floor(line.k_last * e_z)::integer AND r.z_end > floor(line.k_first * e_z)::integer
      OFFSET 0
    ) AS run
    GROUP BY run.region_id
  ),
  total AS (SELECT sum(line.k_last - line.k_first + 1) AS voxels FROM line),
  answer AS (
    SELECT inside.region_id, inside.voxels FROM inside
    UNION ALL
    SELECT NULL, total.voxels - coalesce((SELECT sum(inside.voxels) FROM inside), 0) FROM total
    UNION ALL
    -- If the sphere contains no centre: the voxel that contains the sphere's own.
    SELECT here.region_id, 1
    FROM total
    CROSS JOIN ccf.region_at(region_shares.ccf_id, region_shares.x, region_shares.y, region_shares.z) AS here
    WHERE total.voxels IS NULL
  )
  SELECT answer.region_id, r.acronym, answer.voxels::bigint,
         (answer.voxels / coalesce((SELECT total.voxels FROM total), 1))::double precision
  FROM answer
  LEFT JOIN ccf.brain_region AS r ON r.ccf_id = region_shares.ccf_id AND r.region_id = answer.region_id
  WHERE answer.voxels > 0
  ORDER BY answer.voxels DESC, answer.region_id;
END
$$;

COMMENT ON FUNCTION
  ccf.region_shares(integer, double precision, double precision, double precision, double precision) IS
'The regions in a sphere: one row per region, the largest share first. All voxels whose centre is at most radius_um (µm) from the point (CCF µm) are counted, each once, by the region it is annotated with; a share is a part of that count. Voxels outside the brain, and grid positions outside the volume, count too: they are the row whose region_id is NULL. The shares sum to 1. For a sphere too small to contain the centre of a voxel, the voxel that contains its centre is counted. An error for a coordinate or radius that is NULL, NaN or infinite, and for a radius that is not more than 0. At 25 µm a radius of 200 µm takes some milliseconds, one of 1,000 µm a tenth of a second, the largest (13,200 µm, the whole volume) some ten seconds.

SELECT acronym, share FROM ccf.region_shares(1, 8900, 1300, 8200, 200);';

CREATE OR REPLACE FUNCTION ccf.regions_along(
  ccf_id integer,
  from_x double precision, from_y double precision, from_z double precision,
  to_x double precision, to_y double precision, to_z double precision
) RETURNS TABLE (
  region_id integer, acronym text,
  entry_um double precision, exit_um double precision, length_um double precision
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog
AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  track double precision;  -- its length, µm
  -- Faces of voxels crossed within this distance of each other, in µm, are one edge or corner: the distance between
  -- them is a rounding error.
  together constant double precision := 1e-6;
BEGIN
  PERFORM ccf.check_place('The track''s beginning', from_x, from_y, from_z);
  PERFORM ccf.check_place('The track''s end', to_x, to_y, to_z);
  -- No number whose square or quotient would underflow and end the statement.
  from_x := ccf.usable(from_x);
  from_y := ccf.usable(from_y);
  from_z := ccf.usable(from_z);
  to_x := ccf.usable(to_x);
  to_y := ccf.usable(to_y);
  to_z := ccf.usable(to_z);
  track := sqrt((to_x - from_x) ^ 2 + (to_y - from_y) ^ 2 + (to_z - from_z) ^ 2);
  IF track < 0.001 THEN
    RAISE EXCEPTION 'The track has no length: it begins and ends at (%, %, %); ccf.region_at answers for a point.',
      from_x, from_y, from_z;
  END IF;
  RETURN QUERY
  WITH axis (first, last, direction, voxels, edge) AS (
    VALUES (from_x, to_x, (to_x - from_x) / track, atlas.shape_ap, atlas.edge_ap),
           (from_y, to_y, (to_y - from_y) / track, atlas.shape_dv, atlas.edge_dv),
           (from_z, to_z, (to_z - from_z) / track, atlas.shape_ml, atlas.edge_ml)
  ),
  -- Where the track passes from voxel to voxel, µm from its beginning.
  crossing AS (
    SELECT (face * axis.edge - axis.first) / nullif(axis.direction, 0) AS um
    FROM axis
    CROSS JOIN LATERAL generate_series(
      greatest(ceil(least(axis.first, axis.last) / axis.edge), 0)::integer,
      least(floor(greatest(axis.first, axis.last) / axis.edge), axis.voxels)::integer
    ) AS face
  ),
  cut AS (
    SELECT c.um
    FROM (SELECT crossing.um, lag(crossing.um, 1, 0) OVER (ORDER BY crossing.um) AS before FROM crossing) AS c
    WHERE c.um - c.before > together AND c.um > together AND track - c.um > together
    UNION ALL
    VALUES (0), (track)
  ),
  piece AS (
    SELECT p.um, p.um_end, here.region_id
    FROM (SELECT cut.um, lead(cut.um) OVER (ORDER BY cut.um) AS um_end FROM cut) AS p
    CROSS JOIN LATERAL ccf.region_at(
      regions_along.ccf_id,
      from_x + (p.um + p.um_end) / 2 * ((to_x - from_x) / track),
      from_y + (p.um + p.um_end) / 2 * ((to_y - from_y) / track),
      from_z + (p.um + p.um_end) / 2 * ((to_z - from_z) / track)
    ) AS here
    WHERE p.um_end IS NOT NULL
  ),
  -- Pieces that follow each other in one region have the same number.
  numbered AS (
    SELECT piece.*,
           row_number() OVER (ORDER BY piece.um)
           - row_number() OVER (PARTITION BY piece.region_id ORDER BY piece.um) AS number
    FROM piece
  ),
  stretch AS (
    SELECT n.region_id, min(n.um) AS um, max(n.um_end) AS um_end FROM numbered AS n GROUP BY n.region_id, n.number
  )
  SELECT s.region_id, r.acronym, s.um, s.um_end, s.um_end - s.um
  FROM stretch AS s
  LEFT JOIN ccf.brain_region AS r ON r.ccf_id = regions_along.ccf_id AND r.region_id = s.region_id
  ORDER BY s.um;
END
$$;

COMMENT ON FUNCTION ccf.regions_along(
  integer, double precision, double precision, double precision, double precision, double precision, double precision
) IS
'The regions along a straight track, such as that of a probe, from its first point to its second (CCF µm), in order: where the track enters and leaves each, in µm from the first point, and the length in between. The geometry is exact: the track is cut at every face of a voxel, and neighbouring pieces in the same region are one row. A region that is entered twice has two rows. Stretches outside the brain or the volume are rows whose region_id is NULL, so that the rows cover the track without a gap. Faces crossed within a millionth of a µm count as one. An error for a coordinate that is NULL, NaN or infinite, and for a track without length.

SELECT acronym, entry_um, exit_um, length_um FROM ccf.regions_along(1, 8900, 0, 8200, 8900, 3840, 8200);';

CREATE OR REPLACE FUNCTION ccf.voxels(ccf_id integer) RETURNS SETOF ccf.voxel
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT run.ccf_id, run.x, run.y,
         floor(step.k * (SELECT a.edge_ml FROM ccf.atlas AS a WHERE a.ccf_id = voxels.ccf_id))::integer, run.region_id
  FROM ccf.voxel_run AS run
  CROSS JOIN LATERAL generate_series(
    round(run.z / (SELECT a.edge_ml FROM ccf.atlas AS a WHERE a.ccf_id = voxels.ccf_id))::integer,
    round(run.z_end / (SELECT a.edge_ml FROM ccf.atlas AS a WHERE a.ccf_id = voxels.ccf_id))::integer - 1
  ) AS step (k)
  -- Evaluated once, before the partition is chosen, so that a missing atlas is an error.
  WHERE run.ccf_id = (SELECT a.ccf_id FROM ccf.loaded_atlas(voxels.ccf_id) AS a);
END;

COMMENT ON FUNCTION ccf.voxels(integer) IS
'Every voxel of the brain, expanded from the runs: rows as in table voxel, at every resolution and without loading that table. Conditions on x and y use the key of voxel_run.

SELECT * FROM ccf.voxels(1) WHERE x = 6600 AND y = 2000;';

CREATE OR REPLACE FUNCTION ccf.slice(ccf_id integer, plane text, at_um double precision) RETURNS SETOF ccf.voxel
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100000
SET search_path = pg_catalog
AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  edge double precision := CASE plane WHEN 'coronal' THEN atlas.edge_ap
                                      WHEN 'horizontal' THEN atlas.edge_dv
                                      WHEN 'sagittal' THEN atlas.edge_ml END;
  voxels integer := CASE plane WHEN 'coronal' THEN atlas.shape_ap
                               WHEN 'horizontal' THEN atlas.shape_dv
                               WHEN 'sagittal' THEN atlas.shape_ml END;
  face integer := ccf.voxel_um(at_um, edge, voxels);
BEGIN
  IF voxels IS NULL THEN
    RAISE EXCEPTION 'There is no plane %; it must be coronal, horizontal or sagittal.', quote_nullable(plane);
  END IF;
  IF face IS NULL THEN
    RAISE EXCEPTION 'There is no % plane at % µm: in % they run from 0 to below % µm.',
      plane, coalesce(at_um::text, 'NULL'), atlas.key, voxels * edge;
  END IF;
  IF plane = 'coronal' THEN
    RETURN QUERY SELECT v.* FROM ccf.voxels(slice.ccf_id) AS v WHERE v.x = face;
  ELSIF plane = 'horizontal' THEN
    -- Line by line: the key does not begin with y.
    RETURN QUERY
    SELECT v.*
    FROM generate_series(0, atlas.shape_ap - 1) AS front (i)
    CROSS JOIN LATERAL (
      SELECT * FROM ccf.voxels(slice.ccf_id) AS line
      WHERE line.x = floor(front.i * atlas.edge_ap)::integer AND line.y = face
      OFFSET 0
    ) AS v;
  ELSE
    RETURN QUERY
    SELECT run.ccf_id, run.x, run.y, face, run.region_id
    FROM ccf.voxel_run AS run
    WHERE run.ccf_id = slice.ccf_id AND run.z <= face AND run.z_end > face;
  END IF;
END
$$;

COMMENT ON FUNCTION ccf.slice(integer, text, double precision) IS
'The voxels of the brain in one plane, rows as in table voxel: coronal (at_um is x, AP), horizontal (y, DV) or sagittal (z, ML), in CCF µm. It is the plane of voxels that contains at_um. Voxels outside the brain have no row. An error for any other word, and for a plane outside the volume.

SELECT y, z, region_id FROM ccf.slice(1, ''coronal'', 6600);';
