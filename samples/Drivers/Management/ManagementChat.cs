using System.Text;
using Dma.Hal.Spec;

namespace Dma.Drivers;

/// <summary>Messages to and from other VMs and the host.</summary>
/// <param name="driver">The driver, with <see cref="ManagementModes.Chat"/> on.</param>
public sealed class ManagementChat(ManagementDriver driver)
{
    private const int RetriesMax = 1_000;
    private const ulong RetryNs = 20_000;

    /// <summary>The host as a participant.</summary>
    public const uint Host = 0;

    /// <summary>Publishes a name.</summary>
    public async ValueTask<ManagementResult> Publish(string name) => (await Name(ManagementCommand.Publish, name)).Result;

    /// <summary>Takes a name back.</summary>
    public async ValueTask<ManagementResult> Withdraw(string name) => (await Name(ManagementCommand.Withdraw, name)).Result;

    /// <summary>The participant that published a name; null for nobody.</summary>
    public async ValueTask<uint?> Find(string name)
    {
        ManagementReply reply = await Name(ManagementCommand.Find, name);
        return reply.Result == ManagementResult.Done ? (uint)reply.Completion.Value : null;
    }

    /// <summary>Sends a message, and waits until it was received. Where the inbox is full, it tries again for a while.</summary>
    /// <param name="destination">A participant, or <see cref="Host"/>.</param>
    /// <param name="message">What it says.</param>
    /// <param name="timeoutNs">How long it may wait for its receiver, in nanoseconds.</param>
    public async ValueTask<ManagementResult> Send(uint destination, ReadOnlyMemory<byte> message, ulong timeoutNs = ManagementDriver.PatienceNs)
    {
        for (int retry = 0; ; retry++)
        {
            ManagementRequest request = new() { Command = ManagementCommand.Send, Destination = destination };
            ManagementResult result = (await driver.Execute(request, message, timeoutNs: timeoutNs)).Result;
            if (result != ManagementResult.InboxFull || retry == RetriesMax)
                return result;
            await driver.Processor.Delay(RetryNs);
        }
    }

    /// <summary>Waits for a message; the completion says from whom it is.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds.</param>
    public ValueTask<ManagementReply> Receive(ulong timeoutNs = ManagementDriver.PatienceNs) =>
        driver.Execute(new() { Command = ManagementCommand.Receive }, default, driver.TransferBytesMax, timeoutNs);

    private ValueTask<ManagementReply> Name(ManagementCommand command, string name) =>
        driver.Execute(new() { Command = command }, Encoding.UTF8.GetBytes(name));
}
