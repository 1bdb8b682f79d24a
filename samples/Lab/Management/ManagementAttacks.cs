using System.Text;
using Dma.Drivers;
using Dma.Hal.Spec;

namespace Dma.Lab;

/// <summary>What a guest may try by its management device, and should not get.</summary>
/// <param name="drivers">The drivers of the VMs; VM 1 has a folder, VM 3 means no good.</param>
/// <param name="waiting">How many messages wait for VM 2.</param>
internal sealed class ManagementAttacks(IReadOnlyList<ManagementDriver> drivers, Func<int> waiting)
{
    private readonly List<RefusalLine> _lines = [];

    /// <summary>Tries all of it.</summary>
    /// <param name="isWritable">Whether the folder of VM 1 is, so that its quota can be tried.</param>
    public async ValueTask<IReadOnlyList<RefusalLine>> Run(bool isWritable)
    {
        foreach (string name in (string[])["../secret", "/etc/passwd", "a/../../b", "c:secret", "nul.txt", "x\0y"])
            Refused($"open {name.Replace("\0", "\\0", StringComparison.Ordinal)}", await Open(drivers[0], name), ManagementResult.BadName);
        Refused("open without a folder", await Open(drivers[2], "motd.txt"), ManagementResult.NotGranted);
        if (isWritable)
            Refused("2 MiB into a quota of 1 MiB", await Overfill(), ManagementResult.QuotaExceeded);
        Refused("statistics of another VM", await Query(), ManagementResult.NotGranted);
        Refused("the name of another VM", await new ManagementChat(drivers[2]).Publish("printer"), ManagementResult.NameTaken);
        await Forge();
        await Flood();
        return _lines;
    }

    private static async ValueTask<ManagementResult> Open(ManagementDriver driver, string name) =>
        (await driver.Execute(new() { Command = ManagementCommand.OpenFile }, Encoding.UTF8.GetBytes(name))).Result;

    private async ValueTask<ManagementResult> Overfill()
    {
        ManagementFiles files = new(drivers[0]);
        ManagementResult result = await files.Upload("too-much.bin", new byte[2 << 20]);
        _ = await files.Remove("too-much.bin");
        return result;
    }

    private async ValueTask<ManagementResult> Query() =>
        (await drivers[2].Execute(new() { Command = ManagementCommand.Query, Destination = 1 }, outputLength: ManagementStatistics.Size)).Result;

    private async ValueTask Forge()
    {
        Task<ManagementReply> waiting = new ManagementChat(drivers[1]).Receive().AsTask();
        _ = await drivers[2].Execute(new() { Command = ManagementCommand.Send, Destination = 2, ClaimedSource = 1 }, "from VM 1, honestly"u8.ToArray());
        uint source = (await waiting).Completion.Source;
        _lines.Add(new("a message in the name of VM 1", $"arrived as one of VM {source}, who sent it", source == 3));
    }

    // More than there is room for, while VM 1 sends a message of its own to the same destination.
    private async ValueTask Flood()
    {
        const int Messages = 20;
        Task<ManagementReply>[] flood = [.. Enumerable.Range(0, Messages).Select(_ => drivers[2].Execute(
            new() { Command = ManagementCommand.Send, Destination = 2 }, new byte[100], timeoutNs: 1_000_000).AsTask())];
        await drivers[2].Processor.Delay(100_000);
        Task<ManagementResult> honest = new ManagementChat(drivers[0]).Send(2, "urgent"u8.ToArray()).AsTask();
        await drivers[0].Processor.Delay(20_000);
        ManagementChat receiver = new(drivers[1]);
        int before = 0;
        while ((await receiver.Receive()).Completion.Source != 1)
            before++;
        ManagementReply[] ended = await Task.WhenAll(flood);
        int full = ended.Count(reply => reply.Result == ManagementResult.InboxFull);
        _lines.Add(new($"{Messages} messages at once", $"{full} refused: InboxFull", full == Messages - 8));
        _lines.Add(new("a flood to keep VM 1 out", $"{before} of it came before VM 1's message: {await honest}", before <= 1 && await honest == ManagementResult.Done));
        _lines.Add(new("what is left of the flood", $"{waiting()} messages wait", waiting() == 0));
    }

    private void Refused(string what, ManagementResult result, ManagementResult expected) => _lines.Add(new(what, $"{result}", result == expected));
}
