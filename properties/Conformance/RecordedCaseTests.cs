namespace Dma.Properties;

/// <summary>Scripts recorded from another implementation, step by step.</summary>
public sealed class RecordedCaseTests
{
    [Theory]
    [InlineData("xlat")]
    [InlineData("fault")]
    [InlineData("fevent")]
    [InlineData("cache")]
    [InlineData("ir")]
    public void A_recorded_script_gets_the_recorded_answers_or_the_listed_ones(string group)
    {
        List<string> problems = [];
        int played = 0;
        foreach (RecordedCase recorded in RecordedCase.All.Where(recorded => recorded.Group == group))
        {
            played++;
            List<string> differences = recorded.Play();
            string[] listed = RecordedDeviations.All.TryGetValue(recorded.Id, out (string Reason, string[] Differences) deviation) ? deviation.Differences : [];
            problems.AddRange(differences.Except(listed).Select(difference => $"{recorded.Id} {difference}"));
            problems.AddRange(listed.Except(differences).Select(difference => $"{recorded.Id} no longer differs: {difference}"));
        }

        Assert.NotEqual(0, played);
        Assert.True(problems.Count == 0, string.Join(Environment.NewLine, problems));
    }
}
