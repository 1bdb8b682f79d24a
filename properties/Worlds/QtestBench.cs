using System.Text;
using Dma.Devices;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>A small machine with one client that has no socket.</summary>
internal sealed class QtestBench : IDisposable
{
    public const ulong RamBytes = 1 << 20;

    public QtestBench(int lineMax = QtestClient.LineMax)
    {
        Machine = new(new() { RamBytes = RamBytes });
        Edu = Machine.Plug(new EduDevice(Machine.Loop), 4);
        Machine.PlaceBars();
        Clock = new(Machine.Loop, isRealTime: false);
        Client = new(Machine, Clock, lineMax);
    }

    public ScriptedMachine Machine { get; }

    public EduDevice Edu { get; }

    public QtestClock Clock { get; }

    public QtestClient Client { get; }

    public ulong EduBase => Edu.DecodedAt(0)!.Value;

    public void Dispose()
    {
        Client.Dispose();
        Machine.Dispose();
    }

    /// <summary>Sends bytes, in pieces as small as the client wants them.</summary>
    /// <returns>What came back up to now.</returns>
    public string Send(ReadOnlySpan<byte> bytes)
    {
        StringBuilder answers = new();
        while (true)
        {
            while (Client.IsBusy)
                Client.Continue();
            Memory<byte> room = Client.Room();
            int count = Math.Min(room.Length, bytes.Length);
            bytes[..count].CopyTo(room.Span);
            bytes = bytes[count..];
            if (count != 0)
                Client.Received(count);
            if (count == 0 && Client.Pending.IsEmpty)
                return answers.ToString();
            int taken = Math.Min(Client.Pending.Length, 1000);
            answers.Append(Encoding.Latin1.GetString(Client.Pending.Span[..taken]));
            Client.Sent(taken);
        }
    }

    /// <summary>Sends one line.</summary>
    /// <returns>The one answer, without its end.</returns>
    public string Ask(string line)
    {
        string answer = Send(Encoding.Latin1.GetBytes(line + "\n"));
        Assert.EndsWith("\n", answer, StringComparison.Ordinal);
        return Assert.Single(answer[..^1].Split('\n'));
    }

    /// <summary>A number that a line was answered with.</summary>
    public ulong AskNumber(string line)
    {
        string answer = Ask(line);
        Assert.StartsWith("OK ", answer, StringComparison.Ordinal);
        Assert.True(QtestNumber.TryParse(Encoding.ASCII.GetBytes(answer[3..]), out ulong value));
        return value;
    }
}
