using System.Globalization;
using System.Text.Json;

namespace Dma.Vmm;

/// <summary>Writes a timeline in the Trace Event Format, the JSON that Perfetto and Chrome's tracing page open.</summary>
/// <remarks>
/// Lines stand in groups: virtual machines, VMM, controller, bus, IOMMU. Times are virtual; the format counts microseconds, and
/// nanoseconds are its decimals. Events may be added in any order. <see cref="Dispose"/> ends the file; the stream stays open.
/// </remarks>
public sealed class Timeline : IDisposable
{
    private const int FlushBytes = 1 << 16;

    private readonly Utf8JsonWriter _json;
    private readonly Dictionary<string, int> _groups = [];
    private readonly List<int> _lines = [];
    private bool _isEnded;

    /// <summary>A timeline without events.</summary>
    /// <param name="stream">Where it is written.</param>
    public Timeline(Stream stream)
    {
        _json = new(stream);
        _json.WriteStartObject();
        _json.WriteString("displayTimeUnit", "ns");
        _json.WriteStartArray("traceEvents");
    }

    /// <summary>Adds a line.</summary>
    /// <param name="group">The name of its group, which is new or was named before.</param>
    /// <param name="name">Its name.</param>
    public TimelineTrack Track(string group, string name)
    {
        if (!_groups.TryGetValue(group, out int process))
        {
            _groups.Add(group, process = _groups.Count + 1);
            _lines.Add(0);
            Name("process_name", new(process, 0), group);
        }

        TimelineTrack track = new(process, ++_lines[process - 1]);
        Name("thread_name", track, name);
        return track;
    }

    /// <summary>Something that lasted for a while.</summary>
    /// <param name="track">On which line.</param>
    /// <param name="name">What it was.</param>
    /// <param name="startNs">When it began.</param>
    /// <param name="durationNs">How long it lasted.</param>
    /// <param name="details">What else there is to know, as names and values.</param>
    public void Slice(TimelineTrack track, string name, ulong startNs, ulong durationNs, params ReadOnlySpan<(string Name, object Value)> details)
    {
        Begin("X", track, name, startNs);
        Time("dur", durationNs);
        End(details);
    }

    /// <summary>Something that happened at once.</summary>
    /// <param name="track">On which line.</param>
    /// <param name="name">What it was.</param>
    /// <param name="atNs">When.</param>
    /// <param name="details">What else there is to know, as names and values.</param>
    public void Instant(TimelineTrack track, string name, ulong atNs, params ReadOnlySpan<(string Name, object Value)> details)
    {
        Begin("i", track, name, atNs);
        _json.WriteString("s", "t");
        End(details);
    }

    /// <summary>A number that has another value from now on.</summary>
    /// <param name="track">In whose group.</param>
    /// <param name="name">What is counted.</param>
    /// <param name="atNs">When.</param>
    /// <param name="value">The value.</param>
    public void Counter(TimelineTrack track, string name, ulong atNs, double value)
    {
        Begin("C", track, name, atNs);
        End([("value", value)]);
    }

    /// <summary>Adds what went over the bus of a host: requests and interrupts of devices, and faults. An event says how many are missing, at the end where they would be.</summary>
    /// <param name="track">On which line.</param>
    /// <param name="trace">What was recorded.</param>
    public void Add(TimelineTrack track, BusTrace trace)
    {
        IReadOnlyList<TraceEvent> events = trace.Events;
        if (trace.Dropped != 0)
            Instant(track, $"{trace.Dropped} {(trace.KeepsLast ? "earlier" : "later")} ones left out", events[trace.KeepsLast ? 0 : ^1].TimeNs, ("left out", trace.Dropped));
        foreach (TraceEvent entry in events)
        {
            Instant(
                track,
                entry.Kind.ToString(),
                entry.TimeNs,
                ("source", entry.Source.ToString()),
                ("address", $"0x{entry.Address:x}"),
                ("bytes", entry.Length),
                ("status", entry.Status.ToString()));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isEnded)
            return;
        _isEnded = true;
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Dispose();
    }

    private void Name(string what, TimelineTrack track, string name)
    {
        Begin("M", track, what, atNs: 0);
        End([("name", name)]);
    }

    private void Begin(string phase, TimelineTrack track, string name, ulong atNs)
    {
        _json.WriteStartObject();
        _json.WriteString("ph", phase);
        _json.WriteNumber("pid", track.Process);
        _json.WriteNumber("tid", track.Thread);
        _json.WriteString("name", name);
        Time("ts", atNs);
    }

    private void End(ReadOnlySpan<(string Name, object Value)> details)
    {
        if (!details.IsEmpty)
        {
            _json.WriteStartObject("args");
            foreach ((string name, object value) in details)
            {
                _json.WritePropertyName(name);
                if (value is double number)
                    _json.WriteNumberValue(number);
                else if (value is int or uint or long or ulong or byte)
                    _json.WriteNumberValue(Convert.ToDecimal(value, CultureInfo.InvariantCulture));
                else
                    _json.WriteStringValue(Convert.ToString(value, CultureInfo.InvariantCulture));
            }

            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        if (_json.BytesPending > FlushBytes)
            _json.Flush();
    }

    private void Time(string name, ulong ns) => _json.WriteNumber(name, ns / 1000m);
}
