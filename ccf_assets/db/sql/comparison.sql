-- Where two atlases (versions or resolutions) differ. The whole file is run on every upgrade; all of it is idempotent.

CREATE OR REPLACE FUNCTION ccf.region_overlap_by_plane(
  ccf_id_a integer, ccf_id_b integer, first_plane integer, every integer
)
RETURNS TABLE (region_a integer, region_b integer, um3 double precision)
-- So expensive that the planner calls it in several processes where it can.
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1e9
SET search_path = pg_catalog
-- The statements below are planned once, not for each plane.
SET plan_cache_mode = auto
SET jit = off
AS $$
DECLARE
  a ccf.atlas := ccf.loaded_atlas(ccf_id_a);
  b ccf.atlas := ccf.loaded_atlas(ccf_id_b);
  a_is_whole boolean := a.edge_ml = floor(a.edge_ml);
  -- Faces that are nearer to each other, in voxels, are one: the distance between them is a rounding error.
  same constant double precision := 1e-9;
  -- A place in a plane of b is one number: the line times this, which is longer than a line, and µm along the line.
  -- It is a power of two, so that whole µm stay exact.
  stride double precision := 2 ^ ceil(log(2, (greatest(a.shape_ml * a.edge_ml, b.shape_ml * b.edge_ml) + 1)::numeric));
  -- Records of arrays: a variable of an array type has a form that width_bucket would copy for every run.
  lines record;
  runs_of_b record;
BEGIN
  FOR i_b IN first_plane .. b.shape_ap - 1 BY every LOOP
    SELECT array_agg(round(r.y / b.edge_dv) * stride + round(r.z / b.edge_ml) * b.edge_ml
                     ORDER BY r.y, r.z) AS place,
           array_agg(round(r.y / b.edge_dv) * stride + round(r.z_end / b.edge_ml) * b.edge_ml
                     ORDER BY r.y, r.z) AS place_end,
           array_agg(r.region_id ORDER BY r.y, r.z) AS region_id
    INTO runs_of_b
    FROM ccf.voxel_run AS r
    WHERE r.ccf_id = ccf_id_b AND r.x = floor(i_b * b.edge_ap)::integer;
    CONTINUE WHEN runs_of_b.place IS NULL;
    -- The lines of a that meet this plane of b, the places there of the lines that they meet, and by how much, µm².
    SELECT array_agg(floor(i * a.edge_ap)::integer) AS x, array_agg(floor(j * a.edge_dv)::integer) AS y,
           array_agg(j_b * stride) AS place,
           array_agg((least((i + 1) * a.edge_ap, (i_b + 1) * b.edge_ap) - greatest(i * a.edge_ap, i_b * b.edge_ap))
             * (least((j + 1) * a.edge_dv, (j_b + 1) * b.edge_dv) - greatest(j * a.edge_dv, j_b * b.edge_dv))) AS um2
    INTO lines
    FROM generate_series(floor(i_b * b.edge_ap / a.edge_ap + same)::integer,
                         least(ceil((i_b + 1) * b.edge_ap / a.edge_ap - same)::integer, a.shape_ap) - 1) AS i
    CROSS JOIN generate_series(0, a.shape_dv - 1) AS j
    CROSS JOIN generate_series(floor(j * a.edge_dv / b.edge_dv + same)::integer,
                               ceil((j + 1) * a.edge_dv / b.edge_dv - same)::integer - 1) AS j_b;
    RETURN QUERY
    SELECT meets.region_id, (SELECT runs_of_b.region_id)[meets.n],
           sum(meets.um2 * greatest(0, least(meets.place_end, (SELECT runs_of_b.place_end)[meets.n])
                                       - greatest(meets.place, (SELECT runs_of_b.place)[meets.n])))
    FROM (
      -- From the run of b in which a run of a begins, or the last before it, to the last that begins before its end.
      SELECT r.region_id, line.um2, line.place + along.z AS place, line.place + along.z_end AS place_end,
             generate_series(greatest(width_bucket(line.place + along.z, (SELECT runs_of_b.place)), 1),
                             width_bucket(line.place + along.z_end - 1e-6, (SELECT runs_of_b.place))) AS n
      FROM unnest(lines.x, lines.y, lines.place, lines.um2) AS line (x, y, place, um2)
      JOIN ccf.voxel_run AS r ON (r.ccf_id, r.x, r.y) = (ccf_id_a, line.x, line.y)
      CROSS JOIN LATERAL (
        SELECT CASE WHEN a_is_whole THEN r.z ELSE round(r.z / a.edge_ml) * a.edge_ml END AS z,
               CASE WHEN a_is_whole THEN r.z_end ELSE round(r.z_end / a.edge_ml) * a.edge_ml END AS z_end
      ) AS along
    ) AS meets
    GROUP BY 1, 2;
  END LOOP;
END
$$;

COMMENT ON FUNCTION ccf.region_overlap_by_plane(integer, integer, integer, integer) IS
  'What ccf.region_overlap adds up: volume (µm³) of the overlap of each region of one atlas with each of another, for each coronal plane of the second from first_plane on, and so many further. What is outside the brain in either is not in it';

-- The overlap is in µm³, not a count of voxel centres: a centre of one grid can be a corner of another, so that counts
-- would depend on how ties are broken, and on the order of the two atlases.
CREATE OR REPLACE FUNCTION ccf.region_overlap(ccf_id_a integer, ccf_id_b integer)
RETURNS TABLE (region_a integer, region_b integer, um3 bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
-- Planned for these two partitions, whose sizes differ a hundredfold; compiling costs more than it gains.
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
  -- A missing atlas must not look like one that agrees, or differs, everywhere.
  a ccf.atlas := ccf.loaded_atlas(ccf_id_a);
  b ccf.atlas := ccf.loaded_atlas(ccf_id_b);
  a_is_fine boolean := a.ccf_resolution <= b.ccf_resolution;
  fine ccf.atlas := CASE WHEN a_is_fine THEN a ELSE b END;
  coarse ccf.atlas := CASE WHEN a_is_fine THEN b ELSE a END;
  fine_um3 double precision := fine.edge_ap * fine.edge_dv * fine.edge_ml;
  coarse_um3 double precision := coarse.edge_ap * coarse.edge_dv * coarse.edge_ml;
  exact boolean := (SELECT bool_and(edge = round(edge)) FROM unnest(ARRAY[
    a.edge_ap, a.edge_dv, a.edge_ml, b.edge_ap, b.edge_dv, b.edge_ml]) AS edge);
BEGIN
  IF a.space <> b.space THEN
    RAISE EXCEPTION '% lies in the space %, and % in the space %: no place of the one is in the other.',
      a.key, a.space, b.key, b.space;
  END IF;
  RETURN QUERY
  WITH overlap AS MATERIALIZED (
    SELECT p.region_a AS of_fine, p.region_b AS of_coarse, sum(p.um3) AS volume
    FROM (
      -- Two halves, each in a process of its own where there are two.
      SELECT half.* FROM ccf.region_overlap_by_plane(fine.ccf_id, coarse.ccf_id, 0, 2) AS half
      UNION ALL
      SELECT half.* FROM ccf.region_overlap_by_plane(fine.ccf_id, coarse.ccf_id, 1, 2) AS half
    ) AS p
    GROUP BY p.region_a, p.region_b
  ), everything AS (
    SELECT o.of_fine, o.of_coarse, o.volume FROM overlap AS o
    UNION ALL
    -- The rest of a region is where the other atlas has no brain.
    SELECT part.region_id, NULL, sum(part.volume)
    FROM (
      SELECT r.region_id, sum(round(r.z_end / fine.edge_ml) - round(r.z / fine.edge_ml)) * fine_um3 AS volume
      FROM ccf.voxel_run AS r WHERE r.ccf_id = fine.ccf_id GROUP BY r.region_id
      UNION ALL
      SELECT o.of_fine, -o.volume FROM overlap AS o
    ) AS part
    GROUP BY part.region_id
    UNION ALL
    SELECT NULL, part.region_id, sum(part.volume)
    FROM (
      SELECT r.region_id, sum(round(r.z_end / coarse.edge_ml) - round(r.z / coarse.edge_ml)) * coarse_um3 AS volume
      FROM ccf.voxel_run AS r WHERE r.ccf_id = coarse.ccf_id GROUP BY r.region_id
      UNION ALL
      SELECT o.of_coarse, -o.volume FROM overlap AS o
    ) AS part
    GROUP BY part.region_id
  )
  SELECT CASE WHEN a_is_fine THEN e.of_fine ELSE e.of_coarse END,
         CASE WHEN a_is_fine THEN e.of_coarse ELSE e.of_fine END,
         round(e.volume)::bigint
  FROM everything AS e
  -- Of edges that are not whole, less than a thousandth of the smaller voxel is a rounding error of the sums.
  WHERE e.volume > CASE WHEN exact THEN 0 ELSE 0.001 * least(fine_um3, coarse_um3) END;
END
$$;

COMMENT ON FUNCTION ccf.region_overlap(integer, integer) IS
  'Volume (µm³) of the overlap of each region of one atlas with each of another of the same space; NULL stands for outside the brain. Exact, whatever the two resolutions, where the edges of the voxels are whole µm; otherwise to the nearest µm³. An error for atlases of two spaces';

-- Until version 14 grids with other edges had a function of their own. A lab's view that uses it keeps it, and it works.
DO $$
BEGIN
  DROP FUNCTION IF EXISTS ccf.region_overlap_of_grids(integer, integer);
EXCEPTION WHEN dependent_objects_still_exist THEN
  NULL;
END
$$;

CREATE OR REPLACE FUNCTION ccf.region_names(ccf_id integer, by text) RETURNS TABLE (region_id integer, name text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
BEGIN
  IF by IN ('id', 'acronym') THEN
    RETURN QUERY
    SELECT r.region_id, CASE by WHEN 'id' THEN r.source_id::text ELSE r.acronym END
    FROM ccf.brain_region AS r
    WHERE r.ccf_id = region_names.ccf_id;
  ELSIF EXISTS (SELECT FROM ccf.region_set AS s WHERE s.ccf_id = region_names.ccf_id AND s.set_name = by) THEN
    RETURN QUERY
    SELECT m.region_id, m.group_name
    FROM ccf.region_set_member AS m
    WHERE m.ccf_id = region_names.ccf_id AND m.set_name = by;
  ELSE
    RAISE EXCEPTION 'Regions can be compared by id, by acronym, or by a region set of both atlases; % has no set %, it has %.',
      (SELECT a.key FROM ccf.atlas AS a WHERE a.ccf_id = region_names.ccf_id), quote_nullable(by),
      (SELECT coalesce(string_agg(s.set_name, ', ' ORDER BY s.set_name), 'none')
       FROM ccf.region_set AS s WHERE s.ccf_id = region_names.ccf_id);
  END IF;
END
$$;

COMMENT ON FUNCTION ccf.region_names(integer, text) IS
'What the regions of an atlas are compared by with those of another: by ''id'' (of the ontology), by ''acronym'', or by their group in a region set of this name, which serves as a map between two ontologies.

SELECT name FROM ccf.region_names(1, ''cosmos'') WHERE region_id = 385;  -- Isocortex';

CREATE OR REPLACE FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer, by text)
RETURNS TABLE (
  acronym_a text, acronym_b text, region_a integer, region_b integer,
  voxels double precision, mm3 double precision, share double precision
)
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $$
  WITH overlap AS MATERIALIZED (
    SELECT o.*, sum(o.um3) OVER () AS all_um3 FROM ccf.region_overlap(ccf_id_a, ccf_id_b) AS o
  ), finer AS (
    SELECT min(a.edge_ap * a.edge_dv * a.edge_ml) AS um3 FROM ccf.atlas AS a WHERE a.ccf_id IN (ccf_id_a, ccf_id_b)
  )
  SELECT a.acronym, b.acronym, o.region_a, o.region_b,
         o.um3 / finer.um3, o.um3 / 1e9::double precision, (o.um3 / o.all_um3)::double precision
  FROM overlap AS o
  CROSS JOIN finer
  LEFT JOIN ccf.brain_region AS a ON a.ccf_id = ccf_id_a AND a.region_id = o.region_a
  LEFT JOIN ccf.brain_region AS b ON b.ccf_id = ccf_id_b AND b.region_id = o.region_b
  LEFT JOIN ccf.region_names(ccf_id_a, by) AS name_a ON name_a.region_id = o.region_a
  LEFT JOIN ccf.region_names(ccf_id_b, by) AS name_b ON name_b.region_id = o.region_b
  -- What is outside the brain is in no group, either, but it is not the same as a region in no group.
  WHERE name_a.name IS DISTINCT FROM name_b.name OR (o.region_a IS NULL) <> (o.region_b IS NULL)
  ORDER BY o.um3 DESC, o.region_a, o.region_b
$$;

COMMENT ON FUNCTION ccf.region_diff(integer, integer, text) IS
'Pairs of regions that two atlases assign to the same place and that are not the same by ''id'', by ''acronym'' or by a region set (ccf.region_names), the largest first: voxels of the finer atlas (whole where its edge divides the other''s), mm³, and share of the volume that is brain in either; NULL stands for outside the brain. For atlases with two ontologies, whose ids mean different regions. Reads all runs of both atlases: comparing 25 µm with 50 µm takes some three seconds.

SELECT acronym_a, acronym_b, mm3 FROM ccf.region_diff(1, 3, ''cosmos'');';

CREATE OR REPLACE FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer)
RETURNS TABLE (
  acronym_a text, acronym_b text, region_a integer, region_b integer,
  voxels double precision, mm3 double precision, share double precision
)
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $$
  SELECT * FROM ccf.region_diff(region_diff.ccf_id_a, region_diff.ccf_id_b, 'id')
$$;

COMMENT ON FUNCTION ccf.region_diff(integer, integer) IS
  'Pairs of regions that two atlases assign to the same place, the largest first: voxels of the finer atlas (whole where its edge divides the other''s), mm³, and share of the volume that is brain in either; NULL stands for outside the brain. Regions are the same if their ids are. Reads all runs of both atlases: comparing 25 µm with 50 µm takes some three seconds';

CREATE OR REPLACE FUNCTION ccf.region_agreement(ccf_id_a integer, ccf_id_b integer, by text DEFAULT 'id')
RETURNS TABLE (
  acronym text, region_a integer, region_b integer,
  volume_mm3 double precision, other_mm3 double precision, difference_percent double precision,
  agreement double precision
)
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $$
  -- A region of b of the same name; of several that are in one group of a set, none stands for the group.
  WITH same AS (
    SELECT a.region_id AS of_a, min(b.region_id) AS of_b
    FROM ccf.region_names(ccf_id_a, by) AS a
    JOIN ccf.region_names(ccf_id_b, by) AS b USING (name)
    GROUP BY a.region_id
    HAVING count(*) = 1
  ), common AS (
    SELECT same.of_a, sum(o.um3)::double precision AS um3
    FROM ccf.region_overlap(ccf_id_a, ccf_id_b) AS o
    JOIN ccf.region_ancestor AS up_a ON up_a.ccf_id = ccf_id_a AND up_a.region_id = o.region_a
    JOIN ccf.region_ancestor AS up_b ON up_b.ccf_id = ccf_id_b AND up_b.region_id = o.region_b
    JOIN same ON (same.of_a, same.of_b) = (up_a.ancestor_id, up_b.ancestor_id)
    GROUP BY same.of_a
  )
  SELECT r.acronym, r.region_id, same.of_b, here.volume_mm3, coalesce(there.volume_mm3, 0),
         100 * (here.volume_mm3 - coalesce(there.volume_mm3, 0)) / nullif(there.volume_mm3, 0),
         coalesce(common.um3, 0) / nullif(here.voxels * (a.edge_ap * a.edge_dv * a.edge_ml), 0)
  FROM ccf.atlas AS a
  JOIN ccf.brain_region AS r ON r.ccf_id = a.ccf_id
  JOIN ccf.region_volume AS here ON (here.ccf_id, here.region_id) = (r.ccf_id, r.region_id) AND here.hemisphere = 'both'
  LEFT JOIN same ON same.of_a = r.region_id
  LEFT JOIN ccf.region_volume AS there
    ON (there.ccf_id, there.region_id, there.hemisphere) = (ccf_id_b, same.of_b, 'both')
  LEFT JOIN common ON common.of_a = r.region_id
  WHERE a.ccf_id = ccf_id_a
  ORDER BY r.structure_order
$$;

COMMENT ON FUNCTION ccf.region_agreement(integer, integer, text) IS
'Every region of one atlas against the region of another that is the same by ''id'' or by ''acronym'' (ccf.region_names): its volume and that of the other with all inside them, mm³; the difference in % of the other; and the share of its volume that is in the same region in both. Any two atlases of one space, whatever their versions and ontologies; region_b is NULL where the other has no such region.

SELECT acronym, volume_mm3, other_mm3, agreement FROM ccf.region_agreement(1, 3);';

CREATE OR REPLACE VIEW ccf.site_pair AS
SELECT a.key AS atlas_a,
       b.key AS atlas_b,
       in_a.recording_id,
       in_a.site_id,
       region_a.acronym AS acronym_a,
       region_b.acronym AS acronym_b,
       in_a.region_id AS region_a,
       in_b.region_id AS region_b,
       in_a.status AS status_a,
       in_b.status AS status_b,
       in_a.ccf_id AS ccf_id_a,
       in_b.ccf_id AS ccf_id_b,
       site.site_name
FROM ccf.recording_region AS in_a
JOIN ccf.recording_region AS in_b USING (recording_id, site_id)
JOIN ccf.atlas AS a ON a.ccf_id = in_a.ccf_id
JOIN ccf.atlas AS b ON b.ccf_id = in_b.ccf_id
LEFT JOIN ccf.brain_region AS region_a ON (region_a.ccf_id, region_a.region_id) = (in_a.ccf_id, in_a.region_id)
LEFT JOIN ccf.brain_region AS region_b ON (region_b.ccf_id, region_b.region_id) = (in_b.ccf_id, in_b.region_id)
LEFT JOIN ccf.recording_site AS site ON (site.recording_id, site.site_id) = (in_a.recording_id, in_a.site_id)
WHERE NOT EXISTS (
  SELECT FROM ccf.recording_site AS t
  WHERE t.kind = 'track' AND (t.recording_id, t.site_id) = (in_a.recording_id, in_a.site_id)
);

COMMENT ON VIEW ccf.site_pair IS
  'Every site in every two atlases of its space, whether its region differs or not: site_diff has those that do. Points of tracks are left out. WHERE atlas_a = … AND atlas_b = … gives one row per site';

COMMENT ON COLUMN ccf.site_pair.atlas_a IS 'Key of the one atlas (atlas.key)';
COMMENT ON COLUMN ccf.site_pair.atlas_b IS 'Key of the other';
COMMENT ON COLUMN ccf.site_pair.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.site_pair.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.site_pair.acronym_a IS 'Acronym of its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_pair.acronym_b IS 'Acronym of its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_pair.region_a IS 'Its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_pair.region_b IS 'Its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_pair.status_a IS 'Its status in atlas a (recording_region)';
COMMENT ON COLUMN ccf.site_pair.status_b IS 'Its status in atlas b (recording_region)';
COMMENT ON COLUMN ccf.site_pair.ccf_id_a IS 'Number of atlas a';
COMMENT ON COLUMN ccf.site_pair.ccf_id_b IS 'Number of atlas b';
COMMENT ON COLUMN ccf.site_pair.site_name IS 'Name of the site; null where its source numbers its sites';

CREATE OR REPLACE VIEW ccf.site_diff AS
SELECT * FROM ccf.site_pair WHERE region_a IS DISTINCT FROM region_b;

COMMENT ON VIEW ccf.site_diff IS
  'Sites whose region differs between two atlases. WHERE atlas_a = … AND atlas_b = … gives one row per such site. Each pair of atlases is listed in both orders; a region is NULL outside the brain';

COMMENT ON COLUMN ccf.site_diff.atlas_a IS 'Key of the one atlas (atlas.key)';
COMMENT ON COLUMN ccf.site_diff.atlas_b IS 'Key of the other';
COMMENT ON COLUMN ccf.site_diff.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.site_diff.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.site_diff.acronym_a IS 'Acronym of its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_diff.acronym_b IS 'Acronym of its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_diff.region_a IS 'Its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_diff.region_b IS 'Its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_diff.status_a IS 'Its status in atlas a (recording_region)';
COMMENT ON COLUMN ccf.site_diff.status_b IS 'Its status in atlas b (recording_region)';
COMMENT ON COLUMN ccf.site_diff.ccf_id_a IS 'Number of atlas a';
COMMENT ON COLUMN ccf.site_diff.ccf_id_b IS 'Number of atlas b';
COMMENT ON COLUMN ccf.site_diff.site_name IS 'Name of the site; null where its source numbers its sites';

CREATE OR REPLACE FUNCTION ccf.sites_differing(ccf_id_a integer, ccf_id_b integer, by text DEFAULT 'id')
RETURNS SETOF ccf.site_pair
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $$
  SELECT d.*
  FROM ccf.site_pair AS d
  LEFT JOIN ccf.region_names(sites_differing.ccf_id_a, by) AS name_a ON name_a.region_id = d.region_a
  LEFT JOIN ccf.region_names(sites_differing.ccf_id_b, by) AS name_b ON name_b.region_id = d.region_b
  WHERE d.ccf_id_a = sites_differing.ccf_id_a AND d.ccf_id_b = sites_differing.ccf_id_b
    AND (name_a.name IS DISTINCT FROM name_b.name OR (d.region_a IS NULL) <> (d.region_b IS NULL))
$$;

COMMENT ON FUNCTION ccf.sites_differing(integer, integer, text) IS
'The rows of view site_pair for two atlases, of the sites whose regions are not the same by ''id'', by ''acronym'' or by a region set (ccf.region_names): for atlases with two ontologies.

SELECT recording_id, site_id, acronym_a, acronym_b FROM ccf.sites_differing(1, 3, ''acronym'');';
