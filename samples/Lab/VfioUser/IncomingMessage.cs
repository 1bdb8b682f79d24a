using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>A whole message as it arrived.</summary>
/// <param name="Header">Its header, which was checked.</param>
/// <param name="Payload">What followed the header.</param>
/// <param name="Descriptors">What came along; whoever has the message closes what is left of them.</param>
internal sealed record IncomingMessage(MessageHeader Header, byte[] Payload, List<SafeFileHandle> Descriptors) : IDisposable
{
    /// <summary>Closes the descriptors that nobody has taken.</summary>
    public void Dispose()
    {
        foreach (SafeFileHandle descriptor in Descriptors)
            descriptor.Dispose();
        Descriptors.Clear();
    }
}
