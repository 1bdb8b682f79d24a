using System.Text.Json;

namespace Dma.Properties;

/// <summary>The Trace Event Format, as far as its JSON object form binds a writer.</summary>
internal static class TimelineFormat
{
    /// <summary>Checks a whole file: each event has what its phase asks for, on a line that has a name.</summary>
    /// <returns>The names of the groups.</returns>
    public static IReadOnlyList<string> Check(byte[] bytes)
    {
        using JsonDocument document = JsonDocument.Parse(bytes);
        Assert.Contains(document.RootElement.GetProperty("displayTimeUnit").GetString(), (string?[])["ms", "ns"]);
        HashSet<(int, int)> named = [];
        List<string> groups = [];
        foreach (JsonElement entry in document.RootElement.GetProperty("traceEvents").EnumerateArray())
        {
            (int process, int thread) = (entry.GetProperty("pid").GetInt32(), entry.GetProperty("tid").GetInt32());
            Assert.False(string.IsNullOrEmpty(entry.GetProperty("name").GetString()));
            Assert.True(entry.GetProperty("ts").GetDecimal() >= 0);
            switch (entry.GetProperty("ph").GetString())
            {
                case "M":
                    Assert.Contains(entry.GetProperty("name").GetString(), (string?[])["process_name", "thread_name"]);
                    if (entry.GetProperty("name").GetString() == "process_name")
                        groups.Add(entry.GetProperty("args").GetProperty("name").GetString()!);
                    Assert.True(named.Add((process, thread)));
                    break;
                case "X":
                    Assert.True(entry.GetProperty("dur").GetDecimal() >= 0);
                    Assert.Contains((process, thread), named);
                    break;
                case "i":
                    Assert.Contains(entry.GetProperty("s").GetString(), (string?[])["g", "p", "t"]);
                    Assert.Contains((process, thread), named);
                    break;
                case "C":
                    Assert.All(entry.GetProperty("args").EnumerateObject(), value => Assert.Equal(JsonValueKind.Number, value.Value.ValueKind));
                    Assert.Contains((process, thread), named);
                    break;
                default:
                    Assert.Fail($"No phase of a timeline: {entry}");
                    break;
            }
        }

        return groups;
    }
}
