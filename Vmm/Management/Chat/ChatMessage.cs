using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>A message on its way: the core's own copy of its bytes, and who is told when it arrived.</summary>
/// <param name="source">From whom, by the books of the core.</param>
/// <param name="bytes">What it says.</param>
/// <param name="sender">The request that waits until it was received; null where the host sent it.</param>
internal sealed class ChatMessage(uint source, byte[] bytes, TakenRequest? sender)
{
    private readonly TaskCompletionSource<ManagementResult> _hostWaits = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public uint Source => source;

    public byte[] Bytes => bytes;

    public TakenRequest? Sender => sender;

    /// <summary>How it ended, for the host as its sender.</summary>
    public Task<ManagementResult> Ended => _hostWaits.Task;

    /// <summary>Tells the sender how it ended.</summary>
    public void Finish(ManagementResult result)
    {
        if (sender is null)
            _ = _hostWaits.TrySetResult(result);
        else
            sender.Finish(result == ManagementResult.Done ? ManagementAnswer.Done with { Length = bytes.Length } : ManagementAnswer.Of(result));
    }
}
